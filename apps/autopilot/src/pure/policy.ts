/** Reports about the policy (`ioi.policy-lint/1` and the like) as the page reads them. */
import { fields, type Fields, list, number, parsed, text, texts } from "./fields.ts";
import type { Verdict } from "./run.ts";

export interface Problem {
  readonly severity: "error" | "warning" | "note";
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly code: string;
}

export interface LintView {
  readonly rules: number;
  /** Errors first; each has its place. */
  readonly problems: readonly Problem[];
  readonly errors: number;
  readonly warnings: number;
}

const placed = (each: Fields): { readonly line: number; readonly column: number } => {
  const at = fields(each["at"]);
  return { line: Math.max(1, number(at["line"])), column: Math.max(1, number(at["column"])) };
};

export const parseLint = (json: string): LintView | undefined => {
  const found = parsed(json, "ioi.policy-lint/1");
  if (found === undefined) return undefined;
  const errors = list(found["errors"]).map((each): Problem => ({
    severity: "error",
    ...placed(each),
    message: text(each["message"]),
    code: text(each["code"]),
  }));
  const findings = list(found["findings"]).map((each): Problem => ({
    severity: ["no-driver", "uncompiled"].includes(text(each["code"])) ? "note" : "warning",
    ...placed(each),
    message: `rule "${text(each["rule"])}" ${text(each["message"])}`,
    code: text(each["code"]),
  }));
  const warnings = findings.filter(({ severity }) => severity === "warning");
  const notes = findings.filter(({ severity }) => severity === "note");
  return {
    rules: number(found["rules"]),
    problems: [...errors, ...warnings, ...notes],
    errors: errors.length,
    warnings: warnings.length,
  };
};

const verdictOf = (value: unknown): Verdict =>
  value === "allow" || value === "ask" || value === "deny" ? value : "unavailable";

export interface ExampleView {
  readonly target: string;
  readonly before: Verdict;
  readonly after: Verdict;
  /** `path=scope:/a.txt`, one for each argument. */
  readonly args: readonly string[];
  readonly rulesBefore: readonly string[];
  readonly rulesAfter: readonly string[];
}

export interface DiffView {
  readonly widened: readonly ExampleView[];
  readonly narrowed: readonly ExampleView[];
  readonly undecided: readonly string[];
  readonly settings: readonly {
    readonly name: string;
    readonly before: string;
    readonly after: string;
    readonly wider: boolean;
  }[];
  readonly notWider: boolean;
  /** Nothing at all is judged otherwise. */
  readonly same: boolean;
}

export const argumentText = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value);

const exampleOf = (each: Fields): ExampleView => ({
  target: text(each["target"]),
  before: verdictOf(each["before"]),
  after: verdictOf(each["after"]),
  args: Object.entries(fields(each["args"])).map(
    ([name, value]) => `${name}=${argumentText(value)}`,
  ),
  rulesBefore: texts(each["rulesBefore"]),
  rulesAfter: texts(each["rulesAfter"]),
});

const diffOf = (found: Fields): DiffView => {
  const widened = list(found["widened"]).map(exampleOf);
  const narrowed = list(found["narrowed"]).map(exampleOf);
  const undecided = texts(found["undecided"]);
  const settings = list(found["settings"]).map((each) => ({
    name: text(each["name"]),
    before: text(each["before"]),
    after: text(each["after"]),
    wider: each["change"] !== "narrowed",
  }));
  const changes = widened.length + narrowed.length + undecided.length + settings.length;
  return {
    widened,
    narrowed,
    undecided,
    settings,
    notWider: found["notWider"] === true,
    same: changes === 0,
  };
};

export const parseDiff = (json: string): DiffView | undefined => {
  const found = parsed(json, "ioi.policy-diff/1");
  return found === undefined ? undefined : diffOf(found);
};

export interface TestsView {
  readonly problems: readonly Problem[];
  readonly total: number;
  readonly passed: number;
  readonly results: readonly {
    readonly name: string;
    readonly target: string;
    readonly expected: string;
    readonly actual: string;
    readonly ok: boolean;
    readonly reason: string;
    readonly line: number;
  }[];
}

export const parseTests = (json: string): TestsView | undefined => {
  const found = parsed(json, "ioi.policy-test/1");
  if (found === undefined) return undefined;
  return {
    problems: list(found["errors"]).map((each) => ({
      severity: "error",
      ...placed(each),
      message: text(each["message"]),
      code: text(each["code"]),
    })),
    total: number(found["total"]),
    passed: number(found["passed"]),
    results: list(found["results"]).map((each) => ({
      name: text(each["name"]),
      target: text(each["target"]),
      expected: text(each["expected"]),
      actual: text(each["actual"]),
      ok: each["ok"] === true,
      reason: text(each["reason"]),
      line: number(each["line"]),
    })),
  };
};

export interface RuleView {
  readonly id: string;
  readonly effect: string;
  readonly fired: boolean;
  readonly shadow: boolean;
  readonly line: number;
  /** Of the user's own file: it can be gone to. */
  readonly own: boolean;
  /** `where.path is false`, for what is not true. */
  readonly failing: readonly string[];
}

export interface JudgedView {
  readonly target: string;
  readonly verdict: Verdict;
  readonly reason: string;
  readonly instead: string;
  readonly asks: readonly string[];
  readonly rules: readonly RuleView[];
  readonly change:
    | { readonly type: "add-rule"; readonly toml: string; readonly verdict: Verdict }
    | { readonly type: "remove-rules"; readonly ids: readonly string[]; readonly verdict: Verdict }
    | { readonly type: "none"; readonly because: string };
}

const changeOf = (value: unknown): JudgedView["change"] => {
  const found = fields(value);
  const verdict = verdictOf(found["verdict"]);
  if (found["type"] === "add-rule") return { type: "add-rule", toml: text(found["toml"]), verdict };
  if (found["type"] === "remove-rules") {
    return { type: "remove-rules", ids: texts(found["ids"]), verdict };
  }
  return { type: "none", because: text(found["because"]) };
};

const ruleOf = (each: Fields): RuleView => ({
  id: text(each["id"]),
  effect: text(each["effect"]),
  fired: each["fired"] === true,
  shadow: each["shadow"] === true,
  line: placed(each).line,
  own: each["tier"] === "user",
  failing: list(each["conditions"]).flatMap((condition) =>
    condition["truth"] === "true"
      ? []
      : [`where.${text(condition["argument"])} is ${text(condition["truth"])}`],
  ),
});

const judgedOf = (found: Fields): JudgedView => ({
  target: text(found["target"]),
  verdict: verdictOf(found["verdict"]),
  reason: text(found["reason"]),
  instead: text(found["instead"]),
  asks: list(found["asks"]).map((each) =>
    each["kind"] === "default"
      ? "no rule allows it"
      : `${text(each["kind"])} ${text(each["id"])}`.trim(),
  ),
  rules: list(found["evaluated"]).map(ruleOf),
  change: changeOf(found["change"]),
});

export const parseJudged = (json: string): JudgedView | undefined => {
  const found = parsed(json, "ioi.policy-check/1");
  return found === undefined ? undefined : judgedOf(found);
};

export interface PastView {
  readonly receipt: number;
  readonly atMs: number;
  readonly session: string;
  readonly display: string;
  readonly before: {
    readonly verdict: Verdict;
    readonly rules: readonly string[];
    readonly answered: boolean;
  };
  readonly now: JudgedView;
}

export const parsePast = (json: string): PastView | undefined => {
  const found = parsed(json, "ioi.policy-past/1");
  if (found === undefined) return undefined;
  const before = fields(found["before"]);
  return {
    receipt: number(found["receipt"]),
    atMs: number(found["atMs"]),
    session: text(found["session"]),
    display: text(found["display"]),
    before: {
      verdict: verdictOf(before["verdict"]),
      rules: texts(before["rules"]),
      answered: before["answered"] === true,
    },
    now: judgedOf(fields(found["now"])),
  };
};

export interface LearnedView {
  readonly toml: string;
  readonly text: string;
  readonly rules: number;
  readonly steps: number;
  readonly already: number;
  readonly replayed: number;
  readonly left: readonly { readonly target: string; readonly why: string }[];
  readonly diff: DiffView;
}

export const parseLearned = (json: string): LearnedView | undefined => {
  const found = parsed(json, "ioi.policy-learn/1");
  if (found === undefined) return undefined;
  return {
    toml: text(found["toml"]),
    text: text(found["text"]),
    rules: number(found["rules"]),
    steps: number(found["steps"]),
    already: number(found["already"]),
    replayed: number(found["replayed"]),
    left: list(found["left"]).map((each) => ({
      target: text(each["target"]),
      why: text(each["why"]),
    })),
    diff: diffOf(fields(found["diff"])),
  };
};

export interface ShadowExample {
  readonly receipt: number;
  readonly display: string;
  readonly verdict: Verdict;
  readonly now: Verdict | undefined;
}

export interface ShadowView {
  readonly actions: number;
  readonly fromMs: number;
  readonly rules: readonly {
    readonly id: string;
    readonly effect: string;
    readonly fired: number;
    readonly stopped: number;
    readonly examples: readonly ShadowExample[];
  }[];
  readonly stricter: number;
  readonly looser: number;
  readonly examples: readonly ShadowExample[];
}

const shadowExample = (each: Fields): ShadowExample => ({
  receipt: number(each["receipt"]),
  display: text(each["display"]),
  verdict: verdictOf(each["verdict"]),
  now: each["now"] === undefined ? undefined : verdictOf(each["now"]),
});

export const parseShadow = (json: string): ShadowView | undefined => {
  const found = parsed(json, "ioi.policy-shadow/1");
  if (found === undefined) return undefined;
  const changed = fields(found["changed"]);
  return {
    actions: number(found["actions"]),
    fromMs: number(found["fromMs"]),
    rules: list(found["rules"]).map((each) => ({
      id: text(each["id"]),
      effect: text(each["effect"]),
      fired: number(each["fired"]),
      stopped: number(each["stopped"]),
      examples: list(each["examples"]).map(shadowExample),
    })),
    stricter: number(changed["stricter"]),
    looser: number(changed["looser"]),
    examples: list(changed["examples"]).map(shadowExample),
  };
};
