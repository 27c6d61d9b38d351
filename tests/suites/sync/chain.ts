/** A long chain over some epochs, as its validators would have committed it. */
import { SeededRandom } from "@ioi/base";
import { anchorAfter, anchorCert, type SyncSource, type ValidatorSet } from "@ioi/consensus";
import {
  blockOn,
  type Certified,
  Committee,
  genesis,
  judgeOf,
  type Member,
  member,
  setOf,
  type TestProvider,
} from "@ioi/consensus/testing";
import type { CommitCert, ConsensusBlock, EpochCert, ValidatorEntry } from "@ioi/wire";

export class LongChain implements SyncSource {
  readonly members: readonly Member[];
  readonly #blocks: ConsensusBlock[] = [];
  readonly #ends = new Map<bigint, { cert: EpochCert; next: readonly ValidatorEntry[] }>();
  newest: CommitCert | undefined;

  constructor(provider: TestProvider, name: string, heights: number, epochs: number) {
    const random = new SeededRandom(`chain ${name}`);
    this.members = membersOf(name, 0);
    let members = this.members;
    let anchor = genesis;
    for (let number = 0; number < epochs; number++) {
      const judge = judgeOf(members, provider, { epoch: BigInt(number), anchor });
      const committee = new Committee(members, provider, judge);
      const end = Math.floor((heights * (number + 1)) / epochs);
      const next = membersOf(name, number + 1);
      const last = number === epochs - 1 ? undefined : setOf(next);
      const top = this.#epoch(committee, random, end, last);
      if (last === undefined) continue;
      const { cert: commit } = committee.commitOf(top);
      const cert = { boundary: top.header, path: [], commit };
      this.#ends.set(top.header.height, { cert, next: next.map(({ entry }) => entry) });
      const { digest, header } = top;
      anchor = anchorAfter({ boundary: header, digest, leaseEnd: 0n });
      members = next;
    }
  }

  block(height: bigint): ConsensusBlock | undefined {
    return this.#blocks[Number(height) - 1];
  }

  endAt(height: bigint): { cert: EpochCert; next: readonly ValidatorEntry[] } | undefined {
    return this.#ends.get(height);
  }

  /** Blocks up to a height; some views pass without one. The last epoch ends with a commit instead. */
  #epoch(
    committee: Committee,
    random: SeededRandom,
    end: number,
    next: ValidatorSet | undefined,
  ): Certified {
    const { judge } = committee;
    let justify = anchorCert(judge.context, judge.anchor);
    let below: { readonly height: bigint; readonly timeMs: number } = judge.anchor;
    for (;;) {
      const height = Number(below.height) + 1;
      const view = justify.view + (random.chance(1, 10) ? 3n : 1n);
      const ends =
        next === undefined || height < end ? {} : { ends: { validators: next.hash, leaseEnd: 0n } };
      const block = blockOn(judge, below, justify, view, ends);
      this.#blocks.push({ header: block.header, justify });
      if (height >= end) {
        if (next === undefined) this.newest = committee.commitOf(block, [0, 1, 2]).cert;
        return block;
      }
      justify = committee.certify(block, [0, 1, 2]);
      below = block.header;
    }
  }
}

const membersOf = (name: string, epoch: number): readonly Member[] =>
  [0, 1, 2, 3].map((i) => member(`${name} ${epoch}.${i}`, 1n));
