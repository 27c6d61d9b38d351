/**
 * `bench firewall`: one decision under a thousand rules, and Cedar over the same rules and actions
 * in the same run. Cedar is a peer that is installed by it (tests/peers/cedar); where it cannot be, the
 * report says so.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { InvariantError, OperationError, SeededRandom } from "@ioi/base";
import { type CompiledPolicy, compilePolicy, decide, type DecisionContext } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import type { Action } from "@ioi/wire";
import { type Load, makeLoad } from "../lib/firewall/load.ts";
import { Scratch } from "../lib/kernel.ts";
import { installPeer, peerVersion } from "../lib/peers.ts";
import { quantile, rounded, spreadOf } from "../lib/statistics.ts";
import type { Bench, BenchPeer } from "./bench.ts";

const cedarName = "@cedar-policy/cedar-wasm";
const usPerMs = 1000;
/** A decision of Cedar takes some hundred times longer. */
const cedarActionsMax = 1000;

interface Times {
  readonly p50: number;
  readonly p99: number;
}

const timesOf = (us: readonly number[]): Times => ({
  p50: quantile(us, 0.5),
  p99: quantile(us, 0.99),
});

/** One decision at a time, each timed alone. */
const timed = (actions: readonly Action[], judge: (action: Action) => void): Times => {
  const us = actions.map((action) => {
    const began = performance.now();
    judge(action);
    return (performance.now() - began) * usPerMs;
  });
  return timesOf(us);
};

const contextOf = ({ roots, home, actions }: Load): DecisionContext => ({
  session: {
    session: "bench",
    agent: "bench",
    roots,
    words: [],
    // What the person typed: else no URL would be allowed, whatever a rule says.
    urls: [
      ...new Set(
        actions.flatMap(({ args }) => (args["url"] === undefined ? [] : [args["url"] as string])),
      ),
    ],
    headless: false,
    productFolders: ["/opt/product"],
    home,
  },
  exceededBudgets: [],
  grants: [],
});

const compile = (toml: string): CompiledPolicy => {
  const compiled = compilePolicy([{ tier: "user", file: "bench.toml", text: toml }], nodeCrypto);
  if (!compiled.ok) throw new InvariantError(JSON.stringify(compiled.error[0]));
  return compiled.value;
};

/** The part of Cedar's interface that is used. */
interface Cedar {
  readonly preparsePolicySet: (id: string, policies: object) => { readonly type: string };
  readonly statefulIsAuthorized: (call: object) => {
    readonly type: string;
    readonly response?: { readonly decision: "allow" | "deny" };
  };
}

interface Found {
  readonly cedar: Cedar;
  readonly version: string;
}

/** Or why it is not here. */
const loadCedar = async (scratch: Scratch): Promise<Found | string> => {
  const installed = await installPeer("cedar", scratch);
  if (installed.type === "missing") return installed.why;
  const require = createRequire(join(installed.folder, "package.json"));
  const cedar = require(`${cedarName}/nodejs`) as Cedar;
  return { cedar, version: peerVersion(installed.folder, cedarName) };
};

const cedarContext = ({ target, args }: Action): Readonly<Record<string, string>> => {
  if (target === "net::get") {
    const url = new URL(args["url"] as string);
    return { scheme: url.protocol.slice(0, -1), host: url.hostname, path: url.pathname };
  }
  if (target === "sys::exec") {
    const [program = "", first = ""] = args["argv"] as readonly string[];
    return { program, first };
  }
  const path = args["path"] as string;
  return args["to"] === undefined ? { path } : { path, to: args["to"] as string };
};

interface Measured extends Times {
  readonly allowed: number;
}

const measureCedar = (cedar: Cedar, load: Load): Measured => {
  const parsed = cedar.preparsePolicySet("bench", { staticPolicies: load.cedar });
  if (parsed.type !== "success") throw new OperationError("E_TEST", "Cedar refuses the policies");
  const actions = load.actions.slice(0, cedarActionsMax);
  const calls = new Map(
    actions.map((action) => [
      action,
      {
        principal: { type: "Agent", id: "a" },
        action: { type: "Action", id: action.target },
        resource: { type: "Machine", id: "m" },
        context: cedarContext(action),
        preparsedPolicySetId: "bench",
        entities: [],
      },
    ]),
  );
  let allowed = 0;
  const times = timed(actions, (action) => {
    const answer = cedar.statefulIsAuthorized(calls.get(action) ?? {});
    if (answer.response?.decision === "allow") allowed++;
  });
  return { ...times, allowed };
};

const unavailablePeer: BenchPeer = {
  name: "cedar-wasm",
  version: "",
  available: false,
  metrics: {},
};

interface Runs {
  readonly p50: number[];
  readonly p99: number[];
  readonly compileMs: number[];
  allowed: number;
  readonly cedarP50: number[];
  readonly cedarP99: number[];
  cedarAllowed: number;
}

const measure = (load: Load, cedar: Cedar | undefined, runs: Runs): void => {
  const context = contextOf(load);
  const began = performance.now();
  const policy = compile(load.toml);
  runs.compileMs.push(performance.now() - began);
  // The first decisions of a process are its warm-up, not its cost.
  if (runs.p50.length === 0) for (const action of load.actions) decide(policy, action, context);
  runs.allowed = 0;
  const times = timed(load.actions, (action) => {
    if (decide(policy, action, context).verdict === "allow") runs.allowed++;
  });
  runs.p50.push(times.p50);
  runs.p99.push(times.p99);
  if (cedar === undefined) return;
  const peer = measureCedar(cedar, load);
  runs.cedarAllowed = peer.allowed;
  runs.cedarP50.push(peer.p50);
  runs.cedarP99.push(peer.p99);
};

const median = (values: readonly number[]): number => rounded(quantile(values, 0.5), 2);

/** The peer's entry and what the metrics say of it. */
const peerOf = (
  found: Found | string,
  runs: Runs,
): { readonly peer: BenchPeer; readonly metrics: Readonly<Record<string, number>> } => {
  if (typeof found === "string") return { peer: unavailablePeer, metrics: {} };
  const [cedarP50Us, cedarP99Us] = [median(runs.cedarP50), median(runs.cedarP99)];
  const ratioP50 = rounded(cedarP50Us / median(runs.p50), 2);
  return {
    peer: {
      name: "cedar-wasm",
      version: found.version,
      available: true,
      metrics: { p50Us: cedarP50Us, p99Us: cedarP99Us, allowed: runs.cedarAllowed },
      ratio: ratioP50,
    },
    metrics: { cedarP50Us, cedarP99Us, ratioP50 },
  };
};

export const bench: Bench = {
  name: "firewall",
  summary: "one decision under a thousand rules; Cedar over the same rules and actions",
  async run({ quick, seed, params, progress }) {
    const rules = Number(params["rules"] ?? 1000);
    const actions = Number(params["actions"] ?? (quick ? 2000 : 10_000));
    const count = Number(params["runs"] ?? (quick ? 3 : 5));
    const load = makeLoad(new SeededRandom(seed), rules, actions);
    progress("Cedar");
    using scratch = new Scratch();
    const found = await loadCedar(scratch);
    const cedar = typeof found === "string" ? undefined : found.cedar;
    const runs: Runs = {
      p50: [],
      p99: [],
      compileMs: [],
      allowed: 0,
      cedarP50: [],
      cedarP99: [],
      cedarAllowed: 0,
    };
    for (let run = 0; run < count; run++) {
      measure(load, quick && run > 0 ? undefined : cedar, runs);
      progress(`${run + 1} of ${count}`);
    }
    const { peer, metrics } = peerOf(found, runs);
    return {
      metrics: {
        rules,
        decideP50Us: median(runs.p50),
        decideP99Us: median(runs.p99),
        compileMs: median(runs.compileMs),
        ...metrics,
        allowed: runs.allowed,
      },
      spread: {
        decideP50Us: spreadOf(runs.p50),
        decideP99Us: spreadOf(runs.p99),
        compileMs: spreadOf(runs.compileMs),
      },
      peers: [peer],
      goals: [
        { metric: "rules", op: ">=", value: 1000 },
        { metric: "decideP50Us", op: "<=", value: 15 },
        { metric: "decideP99Us", op: "<=", value: 50 },
        // Half of the actions meet a rule that allows them.
        { metric: "allowed", op: ">=", value: actions / 2 },
      ],
      runs: count,
      params: { rules, actions },
      unavailable: typeof found === "string" ? [`cedar-wasm ${found}`] : [],
    };
  },
};
