/**
 * `suite egress`: nothing leaves but through egress, and through egress only what is permitted. Runs
 * in a network namespace of its own, where a public address is this machine: canaries on loopback,
 * on that address and on a private one count every connection, a name server counts every question.
 * Controls: the same program outside its sandbox, and a client that looks names up by itself.
 */
import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import type { WorldReport } from "../lib/egress/place.ts";
import type { Suite, SuiteContext, SuiteResult } from "./suite.ts";

const worldMain = path.join(import.meta.dirname, "../lib/egress/world.ts");

/** As root a namespace alone; else with a user namespace around it. */
export const isolation = (): readonly string[] | undefined =>
  [["--net"], ["--map-root-user", "--net"]].find(
    (flags) => spawnSync("unshare", [...flags, "ip", "link", "set", "lo", "up"]).status === 0,
  );

const worldOf = async (
  flags: readonly string[],
  { quick, signal }: SuiteContext,
): Promise<WorldReport> => {
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", worldMain];
  const child = spawn("unshare", [...flags, ...node, quick ? "quick" : "full"], {
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`the world ended with ${code}: ${err.slice(-2000)}`);
  return JSON.parse(out) as WorldReport;
};

export const suite: Suite = {
  name: "egress",
  covers: ["firewall 1", "firewall 4", "architecture 3"],
  summary: "nothing leaves but what a ticket permits: names, addresses, redirects, secrets",
  async run(context): Promise<SuiteResult> {
    const flags = isolation();
    if (flags === undefined) {
      return { cases: [], unavailable: ["network namespaces, or the ip command of iproute2"] };
    }
    const { cases, metrics, unavailable } = await worldOf(flags, context);
    return {
      cases,
      metrics,
      ...(metrics["secretHitsElsewhere"] === undefined
        ? {}
        : { goals: [{ metric: "secretHitsElsewhere", op: "=" as const, value: 0 }] }),
      unavailable,
    };
  },
};
