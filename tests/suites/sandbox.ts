/**
 * `suite sandbox`: named escapes from every kind of sandbox, as the superuser and as an ordinary
 * user. Each has its control: the same attempt without the sandbox must succeed, else the case is
 * inapplicable. What arrives outside is counted outside.
 */
import { fileURLToPath } from "node:url";
import { type SandboxReport, selfTest } from "@ioi/host/sandbox";
import { runAsUser } from "./sandbox/as-user.ts";
import { escapesInDriver } from "../lib/escapes-in-driver.ts";
import { ticketAttacks } from "../lib/ticket-attacks.ts";
import type { Goal, Metrics, Suite, SuiteCase, SuiteContext } from "./suite.ts";

interface GroupResult {
  readonly cases: readonly SuiteCase[];
  readonly metrics?: Metrics;
  readonly unavailable?: readonly string[];
}

/** Part of the suite; add one to the list below. Its case ids start with its name. */
interface Group {
  readonly name: string;
  readonly run: (context: SuiteContext) => Promise<GroupResult>;
}

const casesOf = (name: string, report: SandboxReport): readonly SuiteCase[] =>
  report.cases.map((one) => {
    const id = `${name}/${one.kind}/${one.id}`;
    if (one.outcome === "inapplicable") {
      return { id, outcome: "inapplicable", reason: one.detail, control: "harmless" };
    }
    return {
      id,
      outcome: one.outcome === "held" ? "passed" : "failed",
      expected: `refused: ${one.what}`,
      actual: one.detail,
      control: "harmed",
    };
  });

const resultOf = (name: string, report: SandboxReport): GroupResult => ({
  cases: casesOf(name, report),
  metrics: {
    tried: report.tried,
    held: report.held,
    escaped: report.escaped,
    inapplicable: report.inapplicable,
    distinct: report.distinct,
    spawnP50Ms: report.spawnP50Ms,
    spawnP95Ms: report.spawnP95Ms,
    coldP50Ms: report.coldP50Ms,
    coldP95Ms: report.coldP95Ms,
    executedAgainstDriver: report.cases.filter(
      ({ kind, outcome }) =>
        (kind === "command-in-driver" || kind === "exec") && outcome !== "inapplicable",
    ).length,
  },
  unavailable: report.gaps.map(({ mechanism, consequence, command }) =>
    [`${mechanism}: ${consequence}`, command].filter((text) => text !== "").join("; mend: "),
  ),
});

const selfTestRun = fileURLToPath(new URL("./sandbox/self-test-run.ts", import.meta.url));

const isRoot = process.getuid?.() === 0;

const own: Group = {
  name: isRoot ? "root" : "user",
  run: async (context) =>
    resultOf(
      own.name,
      await selfTest({
        quick: context.quick,
        onKind: (kind) => context.progress(`${own.name}: ${kind}`),
      }),
    ),
};

const ordinaryUser: Group = {
  name: "user",
  run: async (context) => {
    context.progress("user: all kinds");
    const { root, quick, signal } = context;
    const { out, failure } = await runAsUser(root, selfTestRun, quick ? ["--quick"] : [], signal);
    return out === null
      ? { cases: [], unavailable: [`as an ordinary user: ${failure}`] }
      : resultOf("user", JSON.parse(out) as SandboxReport);
  },
};

/** Counts of a group whose cases stand for themselves. */
const counted = (cases: readonly SuiteCase[]): GroupResult => {
  const count = (...outcomes: readonly SuiteCase["outcome"][]): number =>
    cases.filter(({ outcome }) => outcomes.includes(outcome)).length;
  return {
    cases,
    metrics: {
      tried: count("passed", "failed"),
      held: count("passed"),
      escaped: count("failed"),
      inapplicable: count("inapplicable"),
      executedAgainstDriver: count("passed", "failed"),
    },
  };
};

/** A real driver in its sandbox, handed tickets of every wrong kind. */
const tickets: Group = {
  name: "tickets",
  run: async (context) => counted(await ticketAttacks(context)),
};

/** From inside a command that a real driver runs in a real kernel. */
const driver: Group = {
  name: "driver",
  run: async (context) => counted(await escapesInDriver(context)),
};

const groups: readonly Group[] = isRoot
  ? [own, ordinaryUser, tickets, driver]
  : [own, tickets, driver];

/** Sums of counts; of times and of distinct escapes the largest. */
const combined = (all: readonly Metrics[]): Metrics => {
  const total: Record<string, number> = {};
  for (const metrics of all) {
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value !== "number") continue;
      const before = total[name] ?? 0;
      const largest = name.endsWith("Ms") || name === "distinct";
      total[name] = largest ? Math.max(before, value) : before + value;
    }
  }
  return total;
};

const goals: readonly Goal[] = [
  { metric: "escaped", op: "=", value: 0 },
  { metric: "distinct", op: ">=", value: 60 },
  { metric: "executedAgainstDriver", op: ">=", value: 60 },
];

/** A short run takes too few starts for a figure. */
const timeGoals: readonly Goal[] = [
  { metric: "spawnP95Ms", op: "<=", value: 60 },
  { metric: "coldP95Ms", op: "<=", value: 180 },
];

export const suite: Suite = {
  name: "sandbox",
  covers: ["firewall 4", "architecture 3"],
  summary: "named escapes from the sandbox of every kind, as root and as an ordinary user",
  async run(context) {
    const results: GroupResult[] = [];
    for (const group of groups) {
      if (context.caseId !== undefined && !context.caseId.startsWith(`${group.name}/`)) continue;
      results.push(await group.run(context));
    }
    return {
      cases: results.flatMap((one) => one.cases),
      metrics: combined(results.map((one) => one.metrics ?? {})),
      goals: context.quick ? goals : [...goals, ...timeGoals],
      unavailable: results.flatMap((one) => one.unavailable ?? []),
    };
  },
};
