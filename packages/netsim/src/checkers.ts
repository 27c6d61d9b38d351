/**
 * What must hold of a network, as functions of what its nodes committed, executed and proved.
 *
 * A commit of strength s survives broken Guardians of power c iff s + q - W > c: two quorums then share a
 * sound one. A conflict is a violation where it should have been survived, and a finding where not.
 */
import { equalBytes, toHex } from "@ioi/base";
import type { ValidatorSet } from "@ioi/consensus";
import type { Network } from "./network.ts";
import type { SimNode } from "./node.ts";

export interface Violation {
  readonly type: "conflict" | "executed" | "roots" | "framed" | "unconvicted" | "liveness";
  readonly message: string;
}

export interface Conflict {
  readonly height: number;
  /** The larger of the two blocks' strengths. */
  readonly strength: bigint;
  /** Power of broken Guardians that one of them was to survive: less than 0, none at all. */
  readonly promise: bigint;
}

/** Heights at which two nodes committed different blocks. */
export const conflictsOf = (nodes: readonly SimNode[]): readonly Conflict[] => {
  const found: Conflict[] = [];
  const longest = Math.max(...nodes.map(({ height }) => height));
  for (let at = 0; at < longest; at++) {
    const digests = new Set(nodes.flatMap(({ digests: all }) => all[at] ?? []));
    if (digests.size < 2) continue;
    const strength = most(nodes.map(({ strengths }) => strengths[at] ?? 0n));
    const promise = most(nodes.map(({ promises }) => promises[at] ?? -1n));
    found.push({ height: at + 1, strength, promise });
  }
  return found;
};

const most = (powers: readonly bigint[]): bigint => powers.reduce((a, b) => (a > b ? a : b));

/** Power of broken Guardians that a commit of a strength survives, less than 0: none at all. */
export const survives = ({ quorum, total }: ValidatorSet, strength: bigint): bigint =>
  strength + quorum - total - 1n;

/** `broken`: power of the Guardians that are not sound. */
export const checkSafety = (network: Network, broken = 0n): readonly Violation[] =>
  conflictsOf(network.nodes)
    .filter(({ promise }) => promise >= broken)
    .map(({ height, strength }) => ({
      type: "conflict",
      message: `two blocks at height ${height}, one of strength ${strength}`,
    }));

/** Of honest hosts: what was executed is what was committed, and all have one state after it. */
export const checkRoots = (network: Network): readonly Violation[] => {
  const roots = new Map<string, string>();
  const found: Violation[] = [];
  for (const [index, { ledger, digests }] of network.nodes.entries()) {
    if (ledger.height > digests.length) {
      found.push({ type: "executed", message: `node ${index} executed what is not committed` });
    }
    for (let height = 1; height <= ledger.height; height++) {
      const digest = digests[height - 1] ?? "";
      const here = ledger.rootAt(BigInt(height));
      const executed = ledger.executedAt(height);
      // Below a state that was taken over nothing was executed.
      if (here === undefined || executed === undefined) continue;
      const root = toHex(here);
      const known = roots.get(digest) ?? root;
      roots.set(digest, known);
      if (known !== root || executed !== digest) {
        found.push({ type: "roots", message: `node ${index} has another state at ${height}` });
      }
    }
  }
  return found;
};

/** Nobody is convicted but those whose Guardians are broken. */
export const checkFraming = (
  network: Network,
  broken: readonly number[] = [],
): readonly Violation[] =>
  network.proofs.flatMap(({ kind, registration }) => {
    const { gid } = registration.entry;
    const validator = network.nodes.find(({ plan }) => equalBytes(plan.gid, gid))?.plan.validator;
    if (validator !== undefined && broken.includes(validator)) return [];
    return [{ type: "framed" as const, message: `${kind} against ${validator ?? "nobody"}` }];
  });

/** After the faults ended every honest host commits `blocks` more than any had, within the bound. */
export const checkLiveness = async (
  network: Network,
  { blocks, boundMs, of }: { blocks: number; boundMs: number; of?: readonly number[] },
): Promise<readonly Violation[]> => {
  const goal = Math.max(...network.nodes.map(({ height }) => height)) + blocks;
  if (await network.run(boundMs, () => network.least(of) >= goal)) return [];
  const heights = network.nodes.map(({ height }) => height).join(" ");
  return [{ type: "liveness", message: `heights ${heights} of ${goal} after ${boundMs} ms` }];
};
