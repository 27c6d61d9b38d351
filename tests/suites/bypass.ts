/**
 * `suite bypass`: the catalogue of known ways around a gate, each executed against the real driver in
 * its real sandbox, or through a real kernel and its egress, as the superuser and as an ordinary
 * user. Each has its control: the same with the protection off does the harm. An item whose surface
 * this version does not have is listed with the reason, and does not count.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { OperationError } from "@ioi/base";
import { absent, catalogued, driverItems, kernelItems } from "../lib/bypass/catalogue.ts";
import { isolation } from "./egress.ts";
import { runAsUser } from "./sandbox/as-user.ts";
import type { Goal, Suite, SuiteCase, SuiteContext } from "./suite.ts";

const main = fileURLToPath(new URL("../lib/bypass/main.ts", import.meta.url));
const world = fileURLToPath(new URL("../lib/bypass/world.ts", import.meta.url));
const isRoot = process.getuid?.() === 0;

type Ran = { readonly cases: readonly SuiteCase[]; readonly unavailable?: readonly string[] };

interface Group {
  readonly name: string;
  /** `args`: the beginning of the ids; how many variants of each item. */
  readonly run: (args: readonly string[], context: SuiteContext) => Promise<Ran>;
}

const parse = (name: string, out: string): readonly SuiteCase[] =>
  (JSON.parse(out) as readonly SuiteCase[]).map((one) => ({ ...one, id: `${name}/${one.id}` }));

const runHere = async (
  command: readonly string[],
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> => {
  const [program = "", ...rest] = [...command, ...args];
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"], signal });
  const text = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (text.out += piece));
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (text.err += piece));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new OperationError("E_TEST", text.err.slice(-2000));
  return text.out;
};

const node = [process.execPath, "--no-warnings"] as const;

const own: Group = {
  name: isRoot ? "root" : "user",
  run: async (args, { signal }) => ({
    cases: parse(own.name, await runHere([...node, main], args, signal)),
  }),
};

const ordinaryUser: Group = {
  name: "user",
  run: async (args, { root, signal }) => {
    const { out, failure } = await runAsUser(root, main, args, signal);
    return out === null
      ? { cases: [], unavailable: [`as an ordinary user: ${failure}`] }
      : { cases: parse("user", out) };
  },
};

const kernel: Group = {
  name: "kernel",
  run: async (args, { signal }) => {
    const flags = isolation();
    if (flags === undefined) {
      return { cases: [], unavailable: ["network namespaces, or the ip command of iproute2"] };
    }
    const command = ["unshare", ...flags, ...node, world];
    return { cases: parse("kernel", await runHere(command, args, signal)) };
  },
};

const groups: readonly Group[] = isRoot ? [own, ordinaryUser, kernel] : [own, kernel];

/** In a short run the kernel, and the other user, try the first variants of each item alone. */
const variants = ({ name }: Group, quick: boolean): string =>
  !quick || name === own.name ? "1000" : name === "kernel" ? "1" : "2";

/** Each item of the catalogue is tried, or it is said why not. */
const coverage = (cases: readonly SuiteCase[]): readonly SuiteCase[] =>
  [...new Set([...driverItems, ...kernelItems, ...Object.values(catalogued).flat()])].map(
    (item) => {
      const tried = cases.filter(
        ({ id, outcome }) => id.split("/")[1] === item && outcome !== "inapplicable",
      ).length;
      return {
        id: `catalogue/${item}`,
        outcome: tried > 0 ? "passed" : "failed",
        expected: "at least one case that counts",
        actual: `${tried} cases`,
      };
    },
  );

const goals: readonly Goal[] = [
  { metric: "tried", op: ">=", value: 60 },
  { metric: "escaped", op: "=", value: 0 },
  { metric: "notExecuted", op: "=", value: 0 },
  { metric: "broken", op: "=", value: 0 },
];

export const suite: Suite = {
  name: "bypass",
  covers: [
    "firewall 8",
    "firewall 4",
    "firewall bad input",
    ...Object.entries(catalogued).map(([way, items]) => `firewall 8: ${way}: ${items.join(" ")}`),
  ],
  summary: "known ways around a gate, against the real drivers, sandboxes and egress",
  async run(context) {
    const { caseId } = context;
    const ran = await Promise.all(
      groups
        .filter(({ name }) => caseId === undefined || caseId.startsWith(`${name}/`))
        .map(async (group) => {
          const { name, run } = group;
          context.progress(name);
          const begin = caseId?.slice(name.length + 1) ?? "";
          return await run([begin, variants(group, context.quick)], context);
        }),
    );
    const cases = ran.flatMap((each) => each.cases);
    const count = (...outcomes: readonly SuiteCase["outcome"][]): number =>
      cases.filter(({ outcome }) => outcomes.includes(outcome)).length;
    // Without an answer there is no control: the case failed, and shows neither.
    const broken = cases.filter(
      ({ outcome, control }) => outcome === "failed" && control === undefined,
    ).length;
    const tried = count("passed", "failed") - broken;
    const executedAgainstDriver = cases.filter(
      ({ outcome, control }) => outcome !== "inapplicable" && control === "harmed",
    ).length;
    return {
      cases: caseId === undefined ? [...cases, ...coverage(cases)] : cases,
      metrics: {
        tried,
        held: count("passed"),
        escaped: count("failed") - broken,
        broken,
        inapplicable: count("inapplicable"),
        executedAgainstDriver,
        notExecuted: tried - executedAgainstDriver,
      },
      goals,
      unavailable: [
        ...ran.flatMap((each) => each.unavailable ?? []),
        ...Object.entries(absent).map(([item, reason]) => `${item}: ${reason}`),
      ],
    };
  },
};
