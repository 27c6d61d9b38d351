/**
 * `suite sync`: a fresh node takes over a long chain of several epochs from one honest peer and three that
 * lie, in virtual time; for every way to lie that the harness knows, and for mixtures of them.
 *
 * - `wrongBlocks`: blocks that came out and are not the chain's;
 * - `unfinished`: runs that did not come to the newest block;
 * - `honestBanned`: honest peers that were not asked any more.
 *
 * Without an honest peer the node comes nowhere, and takes nothing that is wrong. Control: a node that trusts
 * another start takes the blocks of another chain, and the same count says so.
 */
import { equalBytes, SeededRandom } from "@ioi/base";
import { blockHash } from "@ioi/consensus";
import { twinOf } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import type { Suite, SuiteCase } from "./suite.ts";
import { LongChain } from "./sync/chain.ts";
import { type Lie, runSync, type Synced } from "./sync/peers.ts";

const provider = twinOf(nodeCrypto);
const epochs = 3;

const lies: readonly Lie[] = [
  "foreign",
  "silent",
  "empty",
  "drip",
  "changed",
  "reordered",
  "uncertified",
  "early-end",
  "turncoat",
];

const wrongIn = (real: LongChain, { blocks }: Synced): number => {
  let wrong = 0;
  for (const [index, { header }] of blocks.entries()) {
    const known = real.block(BigInt(index) + 1n);
    const isReal =
      known !== undefined &&
      equalBytes(blockHash(provider, known.header), blockHash(provider, header));
    if (!isReal) wrong += 1;
  }
  return wrong;
};

/** The honest one stands anywhere. */
const partiesOf = (random: SeededRandom, runs: number): readonly (readonly Lie[])[] => {
  const parties: (readonly Lie[])[] = lies.map((lie) => [lie, lie, "honest", lie]);
  while (parties.length < runs) {
    const three = [0, 1, 2].map(() => lies[random.below(lies.length)] ?? "silent");
    parties.push(three.toSpliced(random.below(4), 0, "honest"));
  }
  return parties;
};

export const suite: Suite = {
  name: "sync",
  covers: ["consensus 7"],
  summary: "a fresh node takes over a chain from one honest peer and three that lie",
  async run(context) {
    const heights = context.quick ? 1200 : 10_000;
    const real = new LongChain(provider, "real", heights, epochs);
    const forged = new LongChain(provider, "forged", 1500, epochs);
    const random = new SeededRandom(`parties ${context.seed}`);
    const cases: SuiteCase[] = [];
    let [wrong, unfinished, honestBanned, questionsMax, slowestMs] = [0, 0, 0, 0, 0];
    const parties = partiesOf(random, context.quick ? 10 : 20);
    for (const [index, party] of parties.entries()) {
      context.signal.throwIfAborted();
      const synced = runSync(provider, `${context.seed} ${index}`, real, forged, party);
      const isWhole = synced.isDone && synced.blocks.length === heights;
      const isHonestOut = synced.banned.includes(party.indexOf("honest"));
      const wrongHere = wrongIn(real, synced);
      wrong += wrongHere;
      unfinished += isWhole ? 0 : 1;
      honestBanned += isHonestOut ? 1 : 0;
      questionsMax = Math.max(questionsMax, synced.questions);
      slowestMs = Math.max(slowestMs, synced.virtualMs);
      const { blocks, ...rest } = synced;
      cases.push({
        id: `party-${index}-${party.join("-")}`,
        outcome: isWhole && !isHonestOut && wrongHere === 0 ? "passed" : "failed",
        expected: `${heights} blocks of the chain`,
        actual: JSON.stringify({ ...rest, blocks: blocks.length, wrong: wrongHere }),
      });
    }
    const alone = runSync(provider, context.seed, real, forged, ["foreign", "changed", "empty"]);
    cases.push({
      id: "nobody-is-honest",
      outcome: alone.blocks.length === 0 && alone.banned.length === 2 ? "passed" : "failed",
      expected: "nothing is taken",
      actual: `${alone.blocks.length} blocks, ${alone.banned.length} banned`,
    });
    const astray = wrongIn(real, runSync(provider, context.seed, forged, real, ["honest"]));
    cases.push({
      id: "control-another-start",
      outcome: astray > 0 ? "passed" : "failed",
      expected: "blocks of another chain",
      actual: `${astray} wrong blocks`,
      control: astray > 0 ? "harmed" : "harmless",
    });
    return {
      cases,
      metrics: {
        blocks: heights,
        epochs,
        parties: parties.length,
        wrongBlocks: wrong,
        unfinished,
        honestBanned,
        questionsMax,
        slowestVirtualMs: slowestMs,
      },
      goals: [
        { metric: "blocks", op: ">=", value: heights },
        { metric: "wrongBlocks", op: "=", value: 0 },
        { metric: "unfinished", op: "=", value: 0 },
        { metric: "honestBanned", op: "=", value: 0 },
      ],
    };
  },
};
