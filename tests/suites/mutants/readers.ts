/** Nodes that synchronise and light clients without a check: what nobody committed comes out of them. */
import {
  type Anchor,
  anchorAfter,
  anchorCert,
  LightClient,
  type LightClientRule,
  type JudgeRule,
  Snapshot,
  type SnapshotRule,
  Sync,
  type SyncRule,
} from "@ioi/consensus";
import {
  blockOn,
  chain,
  Committee,
  digestOf,
  firstEpoch,
  genesis,
  judgeOf,
  type Member,
  member,
  setOf,
  twin,
} from "@ioi/consensus/testing";
import {
  accountsOfPage,
  manifestOf,
  pageBytes,
  pagesOfState,
  Registry,
  type State,
  statePartsOf,
  stateRootOf,
} from "@ioi/netsim";
import type { CommitCert, ConsensusBlock, EpochCert, SyncChunk } from "@ioi/wire";
import type { Mutant } from "./mutant.ts";

const members = ["a", "b", "c", "d"].map((name) => member(name, 1n));
const start = { chain, epoch: firstEpoch, set: setOf(members), anchor: genesis };

/** Blocks in one row, and what commits the last one. */
const row = (count: number, ends?: number): { blocks: ConsensusBlock[]; commit: CommitCert } => {
  const committee = new Committee(members);
  const { judge } = committee;
  const blocks: ConsensusBlock[] = [];
  let justify = anchorCert(judge.context, genesis);
  let below: { readonly height: bigint; readonly timeMs: number } = genesis;
  for (let height = 1; ; height++) {
    const over = height === ends ? { ends: { validators: digestOf(1), leaseEnd: 0n } } : {};
    const block = blockOn(judge, below, justify, justify.view + 1n, over);
    blocks.push({ header: block.header, justify });
    if (height === count) return { blocks, commit: committee.commitOf(block).cert };
    justify = committee.certify(block);
    below = block.header;
  }
};

/** What a node that asks one peer takes from it. */
const taken = (
  chunk: SyncChunk,
  rules: readonly (SyncRule | JudgeRule)[],
): readonly ConsensusBlock[] => {
  const node = new Sync(twin, start, false, new Set(rules));
  node.handle({ type: "peer", peer: 1 }, 0);
  const effects = node.handle({ type: "answer", peer: 1, from: 1n, chunk }, 1);
  return effects.flatMap((each) => (each.type === "blocks" ? each.blocks : []));
};

const syncMutant = (
  rule: SyncRule | JudgeRule,
  hostile: () => SyncChunk,
  what: string,
): Mutant => ({
  rule,
  of: "sync",
  harm(isThere) {
    const { blocks, commit } = row(5);
    if (taken({ blocks, commit }, isThere ? [] : [rule]).length !== 5) return "nothing is taken";
    return taken(hostile(), isThere ? [] : [rule]).length > 0 ? `${what} comes out` : undefined;
  },
});

const changed = ({ header, justify }: ConsensusBlock): ConsensusBlock => ({
  header: { ...header, stateRoot: digestOf(9) },
  justify,
});

const withThird = (change: (block: ConsensusBlock) => ConsensusBlock): SyncChunk => {
  const { blocks, commit } = row(5);
  return { blocks: blocks.map((each, at) => (at === 2 ? change(each) : each)), commit };
};

const certified = (change: (cert: CommitCert) => CommitCert): SyncChunk => {
  const { blocks, commit } = row(3);
  return { blocks, commit: change(commit) };
};

const syncMutants: readonly Mutant[] = [
  syncMutant("Y1-parent", () => withThird(changed), "a block that is in no chain"),
  syncMutant(
    "Y1-justify",
    () => withThird((block) => ({ ...block, justify: { ...block.justify, votes: [] } })),
    "a block with a certificate that nobody signed",
  ),
  syncMutant(
    "Y2-last",
    () => {
      const { commit } = row(3);
      return { blocks: row(5).blocks, commit };
    },
    "a block above what is committed",
  ),
  syncMutant("Y2-ends", () => row(5, 3), "an end of the epoch without its certificate"),
  syncMutant(
    "V3-power",
    () =>
      certified((cert) => ({
        ...cert,
        childQc: { ...cert.childQc, votes: cert.childQc.votes.slice(0, 1) },
      })),
    "a block by a certificate without power",
  ),
  syncMutant(
    "V2-signature",
    () => {
      const votes = ({ votes: all }: CommitCert["childQc"]) =>
        all.map((vote) => ({ ...vote, signature: new Uint8Array(32) }));
      return certified((cert) => ({
        ...cert,
        childQc: { ...cert.childQc, votes: votes(cert.childQc) },
      }));
    },
    "a block that nobody signed for",
  ),
];

/** Of the simulated application: everybody has that much. */
const stateWith = (balance: number): State => {
  const accounts = new Uint32Array(pagesOfState * accountsOfPage).fill(balance);
  const registry = new Registry(twin, start.set);
  const pages = Array.from({ length: pagesOfState }, (_, page) =>
    twin.sha256(pageBytes(accounts, page)),
  );
  return { height: 1n, root: stateRootOf(twin, pages, registry.hash), accounts, registry };
};

/** A peer that gives the manifest of one state, and the pages of another. */
const snapshotMutant = (rule: SnapshotRule, listed: State, given: State, what: string): Mutant => ({
  rule,
  of: "sync",
  harm(isThere) {
    const without = new Set(isThere ? [] : [rule]);
    const { height, root } = stateWith(1);
    const node = new Snapshot(statePartsOf(twin, without), { height, root }, undefined, without);
    const asked = [...node.handle({ type: "peer", peer: 1 }, 0)];
    for (let next = asked.shift(); next !== undefined; next = asked.shift()) {
      if (next.type === "done") return what;
      if (next.type !== "ask") continue;
      const { part } = next;
      const bytes = part === undefined ? manifestOf(twin, listed) : pageBytes(given.accounts, part);
      asked.push(...node.handle({ type: "answer", peer: 1, part, bytes }, 1));
    }
    return undefined;
  },
});

const snapshotMutants: readonly Mutant[] = [
  snapshotMutant("Y5-root", stateWith(9), stateWith(9), "a state that no header names is taken"),
  snapshotMutant("Y6-hash", stateWith(1), stateWith(9), "pages of another state are taken"),
];

interface Ended {
  readonly cert: EpochCert;
  readonly anchor: Anchor;
}

/** The end of an epoch of these members, after which others, or the same, decide. */
const endOf = (of: readonly Member[], number: bigint, anchor: Anchor, next = of): Ended => {
  const committee = new Committee(of, twin, judgeOf(of, twin, { epoch: number, anchor }));
  const { judge } = committee;
  const ends = { validators: setOf(next).hash, leaseEnd: 0n };
  const justify = anchorCert(judge.context, anchor);
  const block = blockOn(judge, anchor, justify, anchor.view + 1n, { ends });
  const { cert: commit } = committee.commitOf(block);
  const { header: boundary, digest } = block;
  return {
    cert: { boundary, path: [], commit },
    anchor: anchorAfter({ boundary, digest, leaseEnd: 0n }),
  };
};

const clientMutant = (
  rule: LightClientRule | JudgeRule,
  fools: (client: LightClient) => boolean,
  what: string,
): Mutant => ({
  rule,
  of: "light client",
  harm(isThere) {
    const client = new LightClient(twin, start, false, new Set(isThere ? [] : [rule]));
    return fools(client) ? what : undefined;
  },
});

const entriesOf = (of: readonly Member[]) => of.map(({ entry }) => entry);
const strangers = ["e", "f", "g"].map((name) => member(name, 1n));

const clientMutants: readonly Mutant[] = [
  clientMutant(
    "V8-epoch",
    (client) => {
      const passed = endOf(members, 0n, genesis);
      const { cert } = endOf(members, 1n, passed.anchor);
      return client.advance(cert, entriesOf(members)).ok;
    },
    "an epoch is skipped, whose end may have named others",
  ),
  clientMutant(
    "V8-set",
    (client) => client.advance(endOf(members, 0n, genesis).cert, entriesOf(strangers)).ok,
    "a set that the epoch's end does not name decides from then on",
  ),
  clientMutant(
    "V3-order",
    (client) => {
      const { commit } = row(1);
      const [vote] = commit.childQc.votes;
      const votes = vote === undefined ? [] : [vote, vote, vote];
      return client.verify({ ...commit, childQc: { ...commit.childQc, votes } }).ok;
    },
    "one vote counts three times",
  ),
  clientMutant(
    "V8-path",
    (client) => {
      const { cert } = endOf(members, 0n, genesis);
      const { cert: other } = endOf(members, 0n, { ...genesis, timeMs: 5 }, strangers);
      return client.advance({ ...cert, boundary: other.boundary }, entriesOf(strangers)).ok;
    },
    "an end of the epoch that nobody committed",
  ),
];

export const readerMutants: readonly Mutant[] = [
  ...syncMutants,
  ...snapshotMutants,
  ...clientMutants,
];
