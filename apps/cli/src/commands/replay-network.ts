/** `ioi replay sim`: one seed of a simulated network again, event by event. */
import { type ExitCode, exitCodes } from "@ioi/base";
import { validatorsMax } from "@ioi/consensus";
import { twinOf } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import { runScenario } from "@ioi/netsim";
import type { CommandContext } from "../context.ts";
import { replayStepsMax } from "../limits.ts";
import { usage } from "../report.ts";

export interface NetworkReplay {
  readonly seed?: string;
  readonly nodes?: number;
  /** With commas between them. */
  readonly powers?: string;
  /** Power of Guardians that are not sound. */
  readonly broken?: number;
  /** Virtual milliseconds. */
  readonly until?: number;
  readonly node?: number;
}

const powersOf = (text: string): readonly bigint[] =>
  text.split(",").map((each) => {
    if (!/^[1-9]\d{0,8}$/.test(each)) throw usage(`--powers: ${each} is no power`);
    return BigInt(each);
  });

export const replayNetwork = async (
  { output }: CommandContext,
  {
    seed,
    powers: given,
    broken,
    until = Number.POSITIVE_INFINITY,
    node: only,
    ...rest
  }: NetworkReplay,
): Promise<ExitCode> => {
  if (seed === undefined) throw usage("replay sim takes --seed, as a failing case names it");
  const chosen = given === undefined ? undefined : powersOf(given);
  const nodes = rest.nodes ?? chosen?.length ?? 4;
  if (chosen !== undefined && chosen.length !== nodes) {
    throw usage(`--powers names ${chosen.length} validators, --nodes ${nodes}`);
  }
  if (nodes < 1 || nodes > validatorsMax) {
    throw usage(`--nodes takes a number from 1 to ${validatorsMax}`);
  }
  const steps: { readonly atMs: number; readonly node: number; readonly what: string }[] = [];
  let left = 0;
  const outcome = await runScenario({
    seed,
    nodes,
    ...(chosen === undefined ? {} : { powers: chosen }),
    ...(broken === undefined ? {} : { broken: BigInt(broken) }),
    provider: twinOf(nodeCrypto),
    onLine: (atMs, node, what) => {
      if (atMs > until || (only !== undefined && node !== only)) return;
      if (steps.length >= replayStepsMax) {
        left += 1;
        return;
      }
      steps.push({ atMs, node, what });
      output.line(`${(atMs / 1000).toFixed(3)}  ${node}  ${what}`);
    },
  });
  const { violations, adversaries, powers, height, trace, story, epochs, forks } = outcome;
  output.value({
    schema: "ioi.replay-sim/1",
    ok: violations.length === 0,
    seed,
    nodes,
    story,
    powers: powers.map(String),
    adversaries,
    broken: outcome.broken,
    epochs,
    forks,
    violations,
    height,
    trace,
    steps,
    left,
  });
  const who = adversaries.map(({ host, name }) => `${host} ${name}`).join(", ");
  output.line(`powers ${powers.join(" ")}, malicious: ${who || "nobody"}, height ${height}`);
  const unsound = outcome.broken.join(" ") || "none";
  output.line(`story ${story}: ${epochs} epochs, broken Guardians: ${unsound}, forks: ${forks}`);
  if (left > 0) output.line(`${left} more events; --until and --node show fewer`);
  for (const { type, message } of violations) output.line(`${type}: ${message}`);
  output.line(`trace ${trace}`);
  return violations.length === 0 ? exitCodes.done : exitCodes.wrong;
};
