/**
 * `bench firewall`: one decision under a thousand rules, and Cedar over the same rules and actions
 * in the same run. Cedar is a peer that is installed by hand (tests/benches/peers); where it is not,
 * the report says so.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { InvariantError, OperationError, SeededRandom } from "@ioi/base";
import { type CompiledPolicy, compilePolicy, decide, type DecisionContext } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import type { Action } from "@ioi/wire";
import { type Load, makeLoad } from "../lib/firewall/load.ts";
import { quantile, rounded, spreadOf } from "../lib/statistics.ts";
import type { Bench, BenchPeer } from "./bench.ts";

const peers = join(import.meta.dirname, "peers");
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
        actions.flatMap(({ args }) => (args["url"] === undefined ? [] : [`${args["url"]}`])),
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

const loadCedar = (): { readonly cedar: Cedar; readonly version: string } | undefined => {
  try {
    const require = createRequire(join(peers, "package.json"));
    const cedar = require(`${cedarName}/nodejs`) as Cedar;
    const manifest = join(peers, "node_modules", cedarName, "package.json");
    return {
      cedar,
      version: (JSON.parse(readFileSync(manifest, "utf8")) as Cedar & { version: string }).version,
    };
  } catch {
    return undefined;
  }
};

const cedarContext = ({ target, args }: Action): Readonly<Record<string, string>> => {
  if (target === "net::get") {
    const url = new URL(String(args["url"]));
    return { scheme: url.protocol.slice(0, -1), host: url.hostname, path: url.pathname };
  }
  if (target === "sys::exec") {
    const [program = "", first = ""] = args["argv"] as readonly string[];
    return { program, first };
  }
  const path = String(args["path"]);
  return args["to"] === undefined ? { path } : { path, to: String(args["to"]) };
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

export const bench: Bench = {
  name: "firewall",
  summary: "one decision under a thousand rules; Cedar over the same rules and actions",
  async run({ quick, seed, params, progress }) {
    const rules = Number(params["rules"] ?? 1000);
    const actions = Number(params["actions"] ?? (quick ? 2000 : 10_000));
    const runs = Number(params["runs"] ?? (quick ? 3 : 5));
    const load = makeLoad(new SeededRandom(seed), rules, actions);
    const context = contextOf(load);
    const found = loadCedar();
    const cedarRuns = quick ? 1 : runs;
    const [p50, p99, compileMs, cedarP50, cedarP99] = [[], [], [], [], []] as number[][] as [
      number[],
      number[],
      number[],
      number[],
      number[],
    ];
    let [allowed, cedarAllowed] = [0, 0];
    for (let run = 0; run < runs; run++) {
      const began = performance.now();
      const policy = compile(load.toml);
      compileMs.push(performance.now() - began);
      // The first decisions of a process are its warm-up, not its cost.
      if (run === 0) for (const action of load.actions) decide(policy, action, context);
      allowed = 0;
      const times = timed(load.actions, (action) => {
        if (decide(policy, action, context).verdict === "allow") allowed++;
      });
      p50.push(times.p50);
      p99.push(times.p99);
      if (found !== undefined && run < cedarRuns) {
        const peer = measureCedar(found.cedar, load);
        cedarAllowed = peer.allowed;
        cedarP50.push(peer.p50);
        cedarP99.push(peer.p99);
      }
      progress(`${run + 1} of ${runs}`);
    }
    const median = (values: readonly number[]): number => rounded(quantile(values, 0.5), 2);
    const ours = { decideP50Us: median(p50), decideP99Us: median(p99) };
    const theirs =
      found === undefined ? {} : { cedarP50Us: median(cedarP50), cedarP99Us: median(cedarP99) };
    const ratio = found === undefined ? undefined : rounded(median(cedarP50) / ours.decideP50Us, 2);
    return {
      metrics: {
        rules,
        ...ours,
        compileMs: median(compileMs),
        ...theirs,
        ...(ratio === undefined ? {} : { ratioP50: ratio }),
        allowed,
      },
      spread: {
        decideP50Us: spreadOf(p50),
        decideP99Us: spreadOf(p99),
        compileMs: spreadOf(compileMs),
      },
      peers: [
        found === undefined
          ? unavailablePeer
          : {
              name: "cedar-wasm",
              version: found.version,
              available: true,
              metrics: { p50Us: median(cedarP50), p99Us: median(cedarP99), allowed: cedarAllowed },
              ...(ratio === undefined ? {} : { ratio }),
            },
      ],
      goals: [
        { metric: "rules", op: ">=", value: 1000 },
        { metric: "decideP50Us", op: "<=", value: 15 },
        { metric: "decideP99Us", op: "<=", value: 50 },
        // Half of the actions meet a rule that allows them.
        { metric: "allowed", op: ">=", value: actions / 2 },
      ],
      runs,
      params: { rules, actions },
      unavailable:
        found === undefined
          ? ["cedar-wasm: pnpm install --ignore-workspace in tests/benches/peers"]
          : [],
    };
  },
};
