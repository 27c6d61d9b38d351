/** Epochs of a chain with ML-DSA-44, each with another set, and a block proof for each of its commits. */
import {
  type Anchor,
  anchorAfter,
  anchorCert,
  blockHash,
  startHash,
  type ValidatorSet,
} from "@ioi/consensus";
import {
  blockOn,
  chain,
  Committee,
  firstEpoch,
  genesis,
  judgeOf,
  type Member,
  member,
  setOf,
} from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import type { BlockProof, CommitCert, ConsensusStart } from "@ioi/wire";

/** Exactly a quorum of four: one vote less certifies nothing. */
const voters = [0, 1, 3];

const membersOf = (number: number): readonly Member[] =>
  [0, 1, 2, 3].map((i) => member(`${number}.${i}`, 1n, nodeCrypto.generate("ml-dsa-44")));

const committeeOf = (members: readonly Member[], number: number, anchor: Anchor): Committee =>
  new Committee(
    members,
    nodeCrypto,
    judgeOf(members, nodeCrypto, { epoch: BigInt(number), anchor }),
  );

export interface Chain {
  readonly start: ConsensusStart;
  readonly startHash: Uint8Array;
  readonly proofs: readonly BlockProof[];
}

export const makeChain = (epochs: number, commitsPerEpoch: number): Chain => {
  let members = membersOf(0);
  let anchor: Anchor = genesis;
  const start: ConsensusStart = {
    version: 1,
    chain,
    epoch: firstEpoch,
    validators: members.map(({ entry }) => entry),
    anchor,
    isDevnet: false,
  };
  const passed: BlockProof["epochs"][number][] = [];
  const proofs: BlockProof[] = [];
  for (let number = 0; number < epochs; number++) {
    const committee = committeeOf(members, number, anchor);
    let { cert } = committee.commit(undefined, voters);
    for (let i = 0; i < commitsPerEpoch; i++) {
      proofs.push({ version: 1, start, epochs: [...passed], commit: cert });
      cert = nextCommit(committee, cert);
    }
    const next = membersOf(number + 1);
    const end = endOf(committee, cert, setOf(next));
    passed.push({ cert: end.cert, next: next.map(({ entry }) => entry) });
    [members, anchor] = [next, end.anchor];
  }
  return { start, startHash: startHash(nodeCrypto, start), proofs };
};

const nextCommit = (committee: Committee, { child, childQc }: CommitCert): CommitCert => {
  const next = blockOn(committee.judge, child, childQc, child.view + 1n);
  return {
    block: child,
    child: next.header,
    blockQc: childQc,
    childQc: committee.certify(next, voters),
  };
};

/** The epoch ends with a block above the newest commit, two empty blocks above it, and their commit. */
const endOf = (committee: Committee, { child, childQc }: CommitCert, next: ValidatorSet) => {
  const { judge } = committee;
  const ends = { validators: next.hash, leaseEnd: child.view + 40n };
  const boundary = blockOn(judge, child, childQc, child.view + 2n, { ends });
  let top = boundary;
  const path = [];
  for (let i = 0; i < 2; i++) {
    top = blockOn(judge, top.header, committee.certify(top, voters), top.header.view + 3n);
    path.push(top.header);
  }
  const { cert: commit } = committee.commitOf(top, voters);
  const { header } = boundary;
  const digest = blockHash(nodeCrypto, header);
  const anchor = anchorAfter({ boundary: header, digest, leaseEnd: ends.leaseEnd });
  return { cert: { boundary: header, path, commit }, anchor };
};

/** What an epoch begins with, for a test that it is no certificate. */
export const emptyCert = (proof: BlockProof): BlockProof => {
  const { commit } = proof;
  const { epoch, validators } = commit.blockQc;
  const context = { chain, epoch, validators };
  const blockQc = anchorCert(context, { view: commit.block.view, digest: commit.blockQc.digest });
  return { ...proof, commit: { ...commit, blockQc } };
};
