/**
 * What must hold of a network, as functions of what its nodes committed, executed and proved.
 *
 * A commit of strength s survives broken Guardians of power c iff s + q - W > c: two quorums then share a
 * sound one. A conflict is a violation where it should have been survived, and a finding where not;
 * powers are those of the epoch's set.
 */
import { equalBytes, toHex } from "@ioi/base";
import type { ValidatorSet } from "@ioi/consensus";
import type { BlockHeader } from "@ioi/wire";
import type { Network } from "./network.ts";
import type { Held, SimNode } from "./node.ts";

export interface Violation {
  readonly type: "conflict" | "executed" | "roots" | "framed" | "unconvicted" | "liveness";
  readonly message: string;
}

export interface Conflict {
  readonly height: number;
  /** One of the two was to be survived, where the Guardians of these validators are not sound. */
  readonly broke: (broken: readonly number[]) => boolean;
  /** The larger of the two blocks' strengths. */
  readonly strength: bigint;
}

/** What a conflict is seen from. */
export type Committing = Pick<SimNode, "height" | "digests" | "held"> & {
  readonly plan: Pick<SimNode["plan"], "validator" | "gid">;
  readonly committed: readonly { readonly header: Pick<BlockHeader, "view"> }[];
};

/** Heights at which two nodes committed different blocks. */
export const conflictsOf = (nodes: readonly Committing[]): readonly Conflict[] => {
  const found: Conflict[] = [];
  const longest = Math.max(...nodes.map(({ height }) => height));
  for (let at = 0; at < longest; at++) {
    const digests = new Set(nodes.flatMap(({ digests: all }) => all[at] ?? []));
    if (digests.size < 2) continue;
    const strength = most(nodes.map(({ held }) => held[at]?.power ?? 0n));
    const broke = (broken: readonly number[]): boolean =>
      nodes.some((one) => nodes.some((other) => hasBroken(nodes, one, other, at, broken)));
    found.push({ height: at + 1, strength, broke });
  }
  return found;
};

const most = (powers: readonly bigint[]): bigint => powers.reduce((a, b) => (a > b ? a : b));

/** Power of broken Guardians that a commit of a strength survives, less than 0: none at all. */
export const survives = ({ quorum, total }: ValidatorSet, strength: bigint): bigint =>
  strength + quorum - total - 1n;

/**
 * A commit of certificates at v and v+1 excludes what is certified later, not what an earlier and
 * weaker commit had said; so the other branch has to have gone on at v or later.
 */
const hasBroken = (
  nodes: readonly Committing[],
  one: Committing,
  other: Committing,
  at: number,
  broken: readonly number[],
): boolean => {
  const held = one.held[at];
  const rival = other.digests[at];
  if (held === undefined || rival === undefined || rival === one.digests[at]) return false;
  if ((other.committed.at(-1)?.header.view ?? 0n) < held.view) return false;
  const gids = nodes.flatMap(({ plan }) => (broken.includes(plan.validator) ? [plan.gid] : []));
  for (let each: Held | undefined = held; each !== undefined; each = each.below) {
    const { set, power } = each;
    // A copy has its Guardian's gid; what a set counts, it counts once.
    const indexes = new Set(gids.flatMap((gid) => set.indexOf(gid) ?? []));
    if (survives(set, power) < set.power(indexes)) return false;
  }
  return true;
};

/** `broken`: validators whose Guardians are not sound. */
export const checkSafety = (
  network: Network,
  broken: readonly number[] = [],
): readonly Violation[] =>
  conflictsOf(network.nodes)
    .filter(({ broke }) => broke(broken))
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
