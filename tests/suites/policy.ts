/**
 * The policy engine against a naive oracle: random policies and actions must get the same verdict,
 * rules, asks, grants, obligations and reversibility from both.
 *
 * Invariants: every verdict, effect, tier, truth value, kind of ask and built-in refusal is reached,
 * or its case fails; an engine that was given a changed policy is caught, or the control did no harm.
 * Comparing and learning are held to what they say in the same way (`policy/diffs.ts`, `learned.ts`).
 * Replays: pair `n:m` is made from the seed, `n` and `m` alone.
 */
import { SeededRandom } from "@ioi/base";
import { type CompiledPolicy, decide, diffPolicies, learn, targets } from "@ioi/firewall";
import type { AskSource } from "@ioi/wire";
import { type DiffTools, runDiffs } from "./policy/diffs.ts";
import { runDiffsInThreads } from "./policy/diff-threads.ts";
import { compile, compiledIfAny, contextOf, hashing } from "./policy/engine.ts";
import { makePair, makePolicy } from "./policy/generate.ts";
import { runLearning } from "./policy/learned.ts";
import { type Answer, type Pair, type Policy, type Rule } from "./policy/model.ts";
import { oracle } from "./policy/oracle.ts";
import type { Suite, SuiteCase, SuiteContext, SuiteResult } from "./suite.ts";

const pairsOfPolicy = 250;
const policiesFull = 4000;
const policiesQuick = 200;
const failuresShownMax = 20;
const learnRuns = 20;
const editsFull = 10_000;
const editsQuick = 100;
/** Random actions for every edit after which something is said to be unchanged. */
const editActionsFull = 10_000;
const editActionsQuick = 200;

const sorted = (list: readonly string[]): readonly string[] =>
  [...list].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
const show = ({ kind, id }: AskSource): string => `${kind} ${id}`;

const engine = (policy: CompiledPolicy, pair: Pair): Answer => {
  const decision = decide(policy, pair.action, contextOf(policy, pair));
  return {
    verdict: decision.verdict,
    rules: sorted(
      decision.rules.map(({ id, effect, tier, truth }) => `${id} ${effect} ${tier} ${truth}`),
    ),
    asks: sorted(decision.asks.map(show)),
    discharged: sorted(decision.discharged.map(show)),
    grantsUsed: sorted(decision.grantsUsed),
    obligations: decision.obligations.map(({ type }) => type),
    reversible: decision.reversible,
  };
};

/** Everything that a run must have met at least once. */
const classes: readonly string[] = [
  ...["allow", "ask", "deny"].map((verdict) => `verdict ${verdict}`),
  ...["allow true", "ask true", "ask unknown", "deny true", "deny unknown"].map(
    (each) => `fired ${each}`,
  ),
  ...["allow", "ask", "deny"].map((effect) => `silent ${effect}`),
  ...["builtin", "admin", "user", "project", "skill", "session", "delegation"].map(
    (tier) => `tier ${tier}`,
  ),
  ...["rule", "default", "budget", "fact", "protected", "dynamic", "irreversible"].flatMap(
    (kind) => [`asked ${kind}`, `discharged ${kind}`],
  ),
  ...[
    "malformed",
    "not-available",
    "product-folder",
    "kernel-files",
    "outside-workspaces",
    "read-only",
    "workspace-root",
    "hard-link",
    "special-file",
    "reversible",
  ].map((id) => `builtin:${id}`),
  "obligation snapshot",
  "obligation stage",
  "obligation sandbox",
  "asked sandbox",
  "reversible true",
  "reversible false",
  "headless deny",
];

class Reach {
  readonly counts: Map<string, number> = new Map();

  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  note(policy: Policy, pair: Pair, answer: Answer): void {
    this.count(`verdict ${answer.verdict}`);
    for (const rule of answer.rules) {
      const [id = "", effect = "", tier = "", truth = ""] = rule.split(" ");
      this.count(`tier ${tier}`);
      if (tier === "builtin") this.count(id);
      else this.count(`fired ${effect} ${truth}`);
    }
    for (const { rules } of policy.sources) {
      for (const { id, effect, target } of rules) {
        if (!target.includes(pair.action.target)) continue;
        if (!answer.rules.some((rule) => rule.includes(`${id} ${effect}`))) {
          this.count(`silent ${effect}`);
        }
      }
    }
    for (const ask of answer.asks) this.count(`asked ${ask.split(" ")[0] ?? ""}`);
    for (const ask of answer.discharged) this.count(`discharged ${ask.split(" ")[0] ?? ""}`);
    for (const obligation of answer.obligations) this.count(`obligation ${obligation}`);
    this.count(`reversible ${answer.reversible}`);
    if (pair.situation.headless && answer.verdict === "deny" && answer.asks.length > 0) {
      this.count("headless deny");
    }
  }
}

const bytesAsHex = (_key: string, value: unknown): unknown =>
  value instanceof Uint8Array ? `bytes ${Buffer.from(value).toString("hex")}` : value;

interface Found {
  readonly id: string;
  readonly expected: string;
  readonly actual: string;
}

interface Run {
  readonly seed: string;
  readonly reach?: Reach;
  /** What the engine is given instead of the policy; the control changes it. */
  readonly change?: (policy: Policy, random: SeededRandom) => Policy;
  readonly only?: number;
}

/** All pairs of one policy; the disagreements among them. */
const runPolicy = (number: number, run: Run): readonly Found[] => {
  const random = new SeededRandom(`${run.seed}/policy/${number}`);
  const policy = makePolicy(random);
  const given = run.change?.(policy, random.fork("change")) ?? policy;
  const compiled = compile(given);
  const found: Found[] = [];
  for (let at = 0; at < pairsOfPolicy; at++) {
    if (run.only !== undefined && at !== run.only) continue;
    const pair = makePair(random.fork(`pair/${at}`), policy);
    const actual = engine(compiled, pair);
    const expected = oracle(policy, pair);
    run.reach?.note(policy, pair, expected);
    if (JSON.stringify(actual) === JSON.stringify(expected)) continue;
    const input = JSON.stringify(pair, bytesAsHex);
    found.push({
      id: `pair:${number}:${at}`,
      expected: JSON.stringify(expected),
      actual: `${JSON.stringify(actual)} for ${input}`,
    });
  }
  return found;
};

const changeRule = (
  policy: Policy,
  random: SeededRandom,
  change: (rule: Rule) => Rule | undefined,
): Policy => {
  const user = policy.sources.find(({ tier }) => tier === "user");
  const chosen = user?.rules[random.below(user.rules.length)];
  const rules = (list: readonly Rule[]): readonly Rule[] =>
    list
      .map((rule) => (rule === chosen ? change(rule) : rule))
      .filter((rule) => rule !== undefined);
  return {
    ...policy,
    sources: policy.sources.map((source) =>
      source === user ? { ...source, rules: rules(source.rules) } : source,
    ),
  };
};

/** Engines that judge by something else than the policy; the oracle must notice each. */
const mutants: Readonly<Record<string, NonNullable<Run["change"]>>> = {
  "a refusal that asks": (policy, random) =>
    changeRule(policy, random, (rule) =>
      rule.effect === "deny" ? { ...rule, effect: "ask" } : rule,
    ),
  "a permission that refuses": (policy, random) =>
    changeRule(policy, random, (rule) =>
      rule.effect === "allow" ? { ...rule, effect: "deny" } : rule,
    ),
  "a rule left out": (policy, random) => changeRule(policy, random, () => undefined),
  "a condition left out": (policy, random) =>
    changeRule(policy, random, (rule) =>
      rule.effect === "allow" ? rule : { ...rule, where: new Map([...rule.where].slice(1)) },
    ),
  "another default": (policy) => ({
    ...policy,
    sources: policy.sources.map((source) =>
      source.tier === "user"
        ? { ...source, verdict: source.verdict === "deny" ? "ask" : "deny" }
        : source,
    ),
  }),
};

const mutantPolicies = 40;

const runMutants = (context: SuiteContext): readonly SuiteCase[] =>
  Object.entries(mutants).map(([name, change]) => {
    let caught = 0;
    for (let number = 0; number < mutantPolicies && caught === 0; number++) {
      caught += runPolicy(number, { seed: context.seed, change }).length;
    }
    return {
      id: `mutant:${name}`,
      outcome: caught > 0 ? "passed" : "failed",
      expected: "the oracle disagrees",
      actual: caught > 0 ? "the oracle disagrees" : "nobody noticed",
      control: caught > 0 ? "harmed" : "harmless",
    };
  });

/** A comparison that calls every target unchanged. */
const blind: NonNullable<DiffTools["diff"]> = (before, after) => ({
  ...diffPolicies(before, after),
  widened: [],
  narrowed: [],
  undecided: [],
  unchanged: [...targets.keys()],
});

const judgeDiffs = async (
  context: SuiteContext,
): Promise<Required<Pick<SuiteResult, "cases" | "metrics">>> => {
  const number = (name: string, full: number, quick: number): number =>
    Number(context.params[name] ?? (context.quick ? quick : full));
  const actions = number("editActions", editActionsFull, editActionsQuick);
  const tools: DiffTools = {
    contextOf,
    signal: context.signal,
    progress: context.progress,
    compile: compiledIfAny,
  };
  const edits = number("edits", editsFull, editsQuick);
  const given = { seed: context.seed, edits, actions };
  const run = context.quick
    ? await runDiffs(context.seed, edits, actions, tools)
    : await runDiffsInThreads(given, context);
  const lying = await runDiffs(context.seed, 20, 200, { ...tools, diff: blind });
  const { wrong } = run;
  const cases: SuiteCase[] = [
    {
      id: "diff",
      outcome: wrong.length === 0 ? "passed" : "failed",
      expected: "every example differs, everything unchanged does not",
      actual: `${wrong.length} wrong of ${edits} edits`,
      control: lying.wrong.length > 0 ? "harmed" : "harmless",
    },
    ...wrong.slice(0, failuresShownMax).map(({ id, actual }, at): SuiteCase => ({
      id: `diff:${id}:${at}`,
      outcome: "failed",
      expected: "as the comparison says",
      actual,
    })),
    {
      id: "diff:reached",
      outcome: run.examples > 0 && run.provenUnchanged > 0 ? "passed" : "failed",
      expected: "examples, and edits that change nothing",
      actual: `${run.examples} examples, ${run.provenUnchanged} unchanged`,
    },
  ];
  return {
    cases,
    metrics: {
      diffEdits: run.edits,
      diffWrong: wrong.length,
      diffExamples: run.examples,
      diffUnchangedProven: run.provenUnchanged,
      diffUndecided: run.undecided,
      diffActions: run.actionsTried,
    },
  };
};

/** A learner that takes a file for its folder. */
const guessing: typeof learn = (own, steps, hash) => {
  const found = learn(own, steps, hash);
  if (!found.ok) return found;
  const toml = found.value.toml.replaceAll(/one_of = \["scope:[^\]]*\]/g, 'glob = "scope:/**"');
  return { ok: true, value: { ...found.value, toml } };
};

const judgeLearning = (context: SuiteContext): Required<Pick<SuiteResult, "cases" | "metrics">> => {
  const tools = { hashing, contextOf };
  const run = runLearning(context.seed, learnRuns, tools);
  const guessed = runLearning(context.seed, 4, { ...tools, learn: guessing });
  const { learned, notReplayed, attacksAllowed, steps, attacks, runs } = run;
  return {
    cases: [
      {
        id: "learn:replay",
        outcome: notReplayed === 0 && learned > 0 && runs === learnRuns ? "passed" : "failed",
        expected: "every step that rules are offered for goes through",
        actual: `${notReplayed} of ${learned} do not, ${runs} runs`,
      },
      {
        id: "learn:attacks",
        outcome: attacksAllowed.length === 0 ? "passed" : "failed",
        expected: "nothing is allowed that was not recorded",
        actual: `${attacksAllowed.length} of ${attacks}: ${attacksAllowed.slice(0, 3).join(" ")}`,
        control: guessed.attacksAllowed.length > 0 ? "harmed" : "harmless",
      },
    ],
    metrics: {
      learnRuns: runs,
      learnSteps: steps,
      learnLearned: learned,
      learnNotReplayed: notReplayed,
      learnAttacksAllowed: attacksAllowed.length,
    },
  };
};

const replay = (context: SuiteContext, id: string): SuiteResult => {
  const [, policy = "0", pair = "0"] = id.split(":");
  const found = runPolicy(Number(policy), { seed: context.seed, only: Number(pair) });
  const first = found[0];
  return {
    cases: [first === undefined ? { id, outcome: "passed" } : { ...first, outcome: "failed" }],
  };
};

export const suite: Suite = {
  name: "policy",
  covers: ["firewall 2"],
  summary: "random policies and actions: the engine agrees with a naive oracle",
  async run(context) {
    if (context.caseId?.startsWith("pair:") === true) return replay(context, context.caseId);
    const policies = Number(
      context.params["policies"] ?? (context.quick ? policiesQuick : policiesFull),
    );
    const reach = new Reach();
    const failures: Found[] = [];
    let disagreements = 0;
    for (let number = 0; number < policies; number++) {
      context.signal.throwIfAborted();
      const found = runPolicy(number, { seed: context.seed, reach });
      disagreements += found.length;
      failures.push(...found.slice(0, failuresShownMax - failures.length));
      if ((number + 1) % 500 === 0) {
        context.progress(`${(number + 1) * pairsOfPolicy} pairs, ${disagreements} disagreements`);
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
    }
    const pairs = policies * pairsOfPolicy;
    const diffs = await judgeDiffs(context);
    const learning = judgeLearning(context);
    const reached = classes.map((name): SuiteCase => {
      const count = reach.counts.get(name) ?? 0;
      return {
        id: `reached:${name}`,
        outcome: count > 0 ? "passed" : "failed",
        expected: "at least once",
        actual: `${count} times`,
      };
    });
    return {
      cases: [
        {
          id: "agreement",
          outcome: disagreements === 0 ? "passed" : "failed",
          expected: "0 disagreements",
          actual: `${disagreements} of ${pairs}`,
        },
        ...failures.map((found): SuiteCase => ({ ...found, outcome: "failed" })),
        ...reached,
        ...runMutants(context),
        ...diffs.cases,
        ...learning.cases,
      ],
      metrics: { pairs, disagreements, ...diffs.metrics, ...learning.metrics },
      goals: [
        { metric: "disagreements", op: "=", value: 0 },
        { metric: "diffWrong", op: "=", value: 0 },
        { metric: "learnNotReplayed", op: "=", value: 0 },
        { metric: "learnAttacksAllowed", op: "=", value: 0 },
        { metric: "pairs", op: ">=", value: context.quick ? 50_000 : 1_000_000 },
      ],
    };
  },
};
