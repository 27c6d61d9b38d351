/**
 * What is asked of a policy's text: whether it loads, what it does to tests, to one action, to
 * recorded ones, and what another text would change. Pure functions over data that a thread can be
 * handed, since comparing two policies may take seconds and the gate must not wait for it.
 *
 * Source: the design of the firewall, section 2. A text that does not load answers with its errors.
 */
import { type Rejection, toHex, utf8Encode } from "@ioi/base";
import { domainHash, domains, type Hashing } from "@ioi/crypto";
import {
  type CompiledPolicy,
  compilePolicy,
  decide,
  type DecisionContext,
  diffPolicies,
  type DiffExample,
  display,
  explain,
  handQuestion,
  learn,
  lint,
  type PolicyDiff,
  type PolicyError,
  type RawValue,
  type RecordedStep,
  type Root,
  testPolicy,
  type UrlParser,
  type Verdict,
} from "@ioi/firewall";
import { parseJson } from "@ioi/wire";
import { shadowExamplesMax } from "../limits.ts";
import { changeCard } from "./change-card.ts";

/** A policy's text, and what errors call its file. */
export interface PolicyText {
  readonly file: string;
  readonly text: string;
}

/** A verdict of the log, with what is needed to judge it again. */
export interface RecordedVerdict extends RecordedStep {
  readonly receipt: number;
  readonly atMs: number;
  readonly verdict: Verdict;
  readonly rules: readonly string[];
  /** What a person had answered then, as a grant for exactly this action. */
  readonly grants: DecisionContext["grants"];
}

export interface HandText {
  readonly target: string;
  /** JSON. */
  readonly arguments: string;
  readonly words: string;
  readonly headless: boolean;
}

export type PolicyTask =
  | { readonly type: "check"; readonly policy: PolicyText }
  | { readonly type: "test"; readonly policy: PolicyText; readonly tests: string }
  | { readonly type: "try"; readonly policy: PolicyText; readonly action: HandText }
  | { readonly type: "diff"; readonly before: PolicyText; readonly after: PolicyText }
  | { readonly type: "change"; readonly before: PolicyText; readonly after: PolicyText }
  | {
      readonly type: "explain";
      readonly policy: PolicyText;
      readonly past: RecordedVerdict;
      readonly refusal?: DecisionContext["refusal"];
    }
  | { readonly type: "learn"; readonly policy: PolicyText; readonly steps: readonly RecordedStep[] }
  | {
      readonly type: "shadow";
      readonly policy: PolicyText;
      readonly past: readonly RecordedVerdict[];
    };

/** Of a change that may wait for a device. */
export interface ChangeAnswer {
  readonly card: string;
  readonly policyHash: Uint8Array;
  readonly notWider: boolean;
}

export type PolicyAnswer =
  | { readonly type: "value"; readonly value: unknown }
  | { readonly type: "change"; readonly change: ChangeAnswer }
  | { readonly type: "refused"; readonly rejection: Rejection };

export interface TaskEnv {
  readonly hashing: Hashing;
  readonly parseUrl: UrlParser;
}

export const policyTextHash = (hashing: Hashing, text: string): Uint8Array =>
  domainHash(hashing, domains.policyText, utf8Encode(text));

const refused = ({ code, message, at }: PolicyError): PolicyAnswer => ({
  type: "refused",
  rejection: { code, message: `${at.file}:${at.line}:${at.column}: ${message}` },
});

const invalid = (message: string): PolicyAnswer => ({
  type: "refused",
  rejection: { code: "E_POLICY_QUESTION", message },
});

const compiled = ({ file, text }: PolicyText, { hashing }: TaskEnv) =>
  compilePolicy([{ tier: "user", file, text }], hashing);

/** With the policy, or the first of its errors. */
const within = (
  policy: PolicyText,
  env: TaskEnv,
  then: (policy: CompiledPolicy) => PolicyAnswer,
): PolicyAnswer => {
  const made = compiled(policy, env);
  if (made.ok) return then(made.value);
  const [first] = made.error;
  return first === undefined ? invalid("the policy does not load") : refused(first);
};

/** `ioi.policy-lint/1`. */
const checkText = (policy: PolicyText, env: TaskEnv): PolicyAnswer => {
  const made = compiled(policy, env);
  const { file } = policy;
  const schema = "ioi.policy-lint/1";
  if (!made.ok) {
    const value = { schema, ok: false, file, errors: made.error, findings: [] };
    return { type: "value", value };
  }
  const findings = lint(made.value);
  const value = {
    schema,
    ok: findings.every(({ code }) => code === "no-driver" || code === "uncompiled"),
    file,
    hash: toHex(made.value.hash),
    rules: made.value.rules.length,
    errors: [],
    findings,
  };
  return { type: "value", value };
};

const testsFile = "tests";

/** `ioi.policy-test/1`. */
const testText = (policy: CompiledPolicy, tests: string, env: TaskEnv): PolicyAnswer => {
  const schema = "ioi.policy-test/1";
  const results = testPolicy(policy, testsFile, tests, env.parseUrl);
  if (!results.ok) {
    const value = { schema, ok: false, file: testsFile, errors: results.error };
    return { type: "value", value };
  }
  const total = results.value.length;
  const failed = results.value.filter(({ ok }) => !ok).length;
  const value = {
    schema,
    ok: total > 0 && failed === 0,
    file: testsFile,
    errors: [],
    total,
    passed: total - failed,
    failed,
    results: results.value,
  };
  return { type: "value", value };
};

const tryAction = (policy: CompiledPolicy, given: HandText, env: TaskEnv): PolicyAnswer => {
  const args = parseJson(given.arguments.trim() === "" ? "{}" : given.arguments);
  if (!args.ok) return invalid(`the arguments: ${args.error.message}`);
  const question = handQuestion(
    policy,
    {
      target: given.target,
      args: args.value as RawValue,
      words: given.words === "" ? [] : [given.words],
      headless: given.headless,
      real: new Map(),
      exists: true,
    },
    env.parseUrl,
  );
  if (typeof question === "string") return invalid(question);
  return { type: "value", value: explain(policy, question.action, question.context) };
};

const shown = ({ action: _action, context: _context, ...rest }: DiffExample): object => rest;

/** `ioi.policy-diff/1`. */
export const diffValue = (diff: PolicyDiff): object => ({
  schema: "ioi.policy-diff/1",
  ...diff,
  widened: diff.widened.map(shown),
  narrowed: diff.narrowed.map(shown),
});

const change = (before: PolicyText, after: PolicyText, env: TaskEnv): PolicyAnswer =>
  within(after, env, (next) => {
    // What does not load allows nothing: whatever the new text allows is new.
    const old = compiled(before, env);
    const diff = old.ok ? diffPolicies(old.value, next) : undefined;
    return {
      type: "change",
      change: {
        card: changeCard({ before, after, next, diff, findings: lint(next) }, env.hashing),
        policyHash: next.hash,
        notWider: diff?.notWider === true,
      },
    };
  });

/** The session's own folders and the policy's workspaces, as the Guardian has them. */
const rootsFor = (policy: CompiledPolicy, { session }: RecordedStep): readonly Root[] => [
  ...policy.workspaces.map((root) => ({
    ...root,
    path:
      root.path === "~" || root.path.startsWith("~/")
        ? session.home + root.path.slice(1)
        : root.path,
  })),
  ...session.roots,
];

const contextOf = (
  policy: CompiledPolicy,
  past: RecordedStep & Partial<RecordedVerdict>,
): DecisionContext => ({
  session: { ...past.session, roots: rootsFor(policy, past), headless: false },
  exceededBudgets: [],
  grants: past.grants ?? [],
});

/** `ioi.policy-past/1`: what was decided then, and what this text says with the same answers. */
const explainPast = (
  policy: CompiledPolicy,
  task: Extract<PolicyTask, { readonly type: "explain" }>,
): PolicyAnswer => {
  const { past, refusal } = task;
  const context = {
    ...contextOf(policy, past),
    ...(refusal === undefined ? {} : { refusal }),
  };
  const value = {
    schema: "ioi.policy-past/1",
    receipt: past.receipt,
    atMs: past.atMs,
    session: past.session.session,
    display: display(past.action, context.session),
    before: { verdict: past.verdict, rules: past.rules, answered: past.grants.length > 0 },
    now: explain(policy, past.action, context),
  };
  return { type: "value", value };
};

/** `ioi.policy-learn/1`, with what the new rules change and the text that has them. */
const learnFrom = (
  policy: PolicyText,
  before: CompiledPolicy,
  steps: readonly RecordedStep[],
  env: TaskEnv,
): PolicyAnswer => {
  const rooted = steps.map((step) => ({
    ...step,
    session: { ...step.session, roots: rootsFor(before, step) },
  }));
  const learned = learn(policy, rooted, env.hashing);
  if (!learned.ok) {
    const [first] = learned.error;
    return first === undefined ? invalid("nothing was learned") : refused(first);
  }
  const { toml, rules } = learned.value;
  const text = rules === 0 ? policy.text : `${policy.text.trimEnd()}\n\n${toml}`;
  return within({ file: policy.file, text }, env, (after) => ({
    type: "value",
    value: {
      schema: "ioi.policy-learn/1",
      ...learned.value,
      text,
      diff: diffValue(diffPolicies(before, after)),
    },
  }));
};

interface ShadowCount {
  readonly id: string;
  readonly effect: string;
  fired: number;
  /** It had been allowed, and would not have been. */
  stopped: number;
  readonly examples: object[];
}

/** `ioi.policy-shadow/1`: rules without effect, counted over what was recorded. */
const shadowOver = (policy: CompiledPolicy, past: readonly RecordedVerdict[]): PolicyAnswer => {
  const counts = new Map<string, ShadowCount>(
    policy.engine.rules
      .filter(({ shadow }) => shadow === true)
      .map(({ id, effect }) => [id, { id, effect, fired: 0, stopped: 0, examples: [] }]),
  );
  const changed = { stricter: 0, looser: 0, examples: [] as object[] };
  const rank: Readonly<Record<Verdict, number>> = { deny: 0, ask: 1, allow: 2 };
  for (const each of past) {
    const context = contextOf(policy, each);
    const decision = decide(policy, each.action, context);
    const { receipt, atMs, verdict } = each;
    const example = { receipt, atMs, verdict, display: display(each.action, context.session) };
    for (const { id } of decision.shadow ?? []) {
      const count = counts.get(id);
      if (count === undefined) continue;
      count.fired++;
      if (verdict === "allow") count.stopped++;
      if (count.examples.length < shadowExamplesMax) count.examples.push(example);
    }
    if (decision.verdict === verdict) continue;
    if (rank[decision.verdict] < rank[verdict]) changed.stricter++;
    else changed.looser++;
    if (changed.examples.length < shadowExamplesMax) {
      changed.examples.push({ ...example, now: decision.verdict, reason: decision.reason });
    }
  }
  const value = {
    schema: "ioi.policy-shadow/1",
    actions: past.length,
    fromMs: past.at(-1)?.atMs ?? 0,
    rules: [...counts.values()],
    changed,
  };
  return { type: "value", value };
};

/** Answers one task. Total: what cannot be answered is a refusal with a reason. */
export const runPolicyTask = (task: PolicyTask, env: TaskEnv): PolicyAnswer => {
  switch (task.type) {
    case "check":
      return checkText(task.policy, env);
    case "test":
      return within(task.policy, env, (policy) => testText(policy, task.tests, env));
    case "try":
      return within(task.policy, env, (policy) => tryAction(policy, task.action, env));
    case "diff":
      return within(task.before, env, (before) =>
        within(task.after, env, (after) => ({
          type: "value",
          value: diffValue(diffPolicies(before, after)),
        })),
      );
    case "change":
      return change(task.before, task.after, env);
    case "explain":
      return within(task.policy, env, (policy) => explainPast(policy, task));
    case "learn":
      return within(task.policy, env, (policy) => learnFrom(task.policy, policy, task.steps, env));
    case "shadow":
      return within(task.policy, env, (policy) => shadowOver(policy, task.past));
  }
};
