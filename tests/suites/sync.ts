/**
 * `suite sync`: a fresh node takes over a long chain of several epochs from one honest peer and three that
 * lie, in virtual time; for every way to lie that the harness knows, and for mixtures of them.
 *
 * - `wrongBlocks`: blocks that came out and are not the chain's;
 * - `unfinished`: runs that did not come to the newest block;
 * - `honestBanned`: honest peers that were not asked any more.
 *
 * The same for a state in parts, of the tree that real chains have: `wrongParts`, `statesUnfinished`; and a
 * second start asks for what is missing only.
 *
 * Without an honest peer the node comes nowhere, stops with a reason, and takes nothing that is wrong. Control: a node that trusts
 * another start takes the blocks of another chain, and the same count says so.
 */
import { equalBytes, SeededRandom, toHex } from "@ioi/base";
import { blockHash } from "@ioi/consensus";
import { twinOf } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";
import { LongChain } from "./sync/chain.ts";
import { type Lie, runSync, type Synced } from "./sync/peers.ts";
import { CutState, partLies, takeState } from "./sync/state.ts";

const provider = twinOf(nodeCrypto);
const epochs = 3;

const lies: readonly Exclude<Lie, "honest">[] = [
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

/** Three of each kind, then any three; the honest one stands anywhere. */
const partiesOf = <L extends string>(
  kinds: readonly L[],
  random: SeededRandom,
  runs: number,
): readonly (readonly (L | "honest")[])[] => {
  const parties: (readonly (L | "honest")[])[] = kinds.map((lie) => [lie, lie, "honest", lie]);
  while (parties.length < runs) {
    const three: (L | "honest")[] = [0, 1, 2].map(() => random.pick(kinds));
    parties.push(three.toSpliced(random.below(4), 0, "honest"));
  }
  return parties;
};

/** A state in parts: from every party, from nobody who is honest, and in two starts. */
const statesOf = (context: SuiteContext, random: SeededRandom) => {
  const real = new CutState("real", context.quick ? 500 : 5000);
  const other = new CutState("other", context.quick ? 500 : 5000);
  const root = toHex(real.root);
  const parties = partiesOf(partLies, random, context.quick ? 10 : 30);
  let [wrongParts, statesUnfinished] = [0, 0];
  const cases: SuiteCase[] = parties.map((party, index) => {
    const taken = takeState(`${context.seed} ${index}`, real, other, party);
    const isWhole = taken.end === "done" && taken.root === root;
    const isHonestOut = taken.banned.includes(party.indexOf("honest"));
    wrongParts += taken.wrong;
    statesUnfinished += isWhole ? 0 : 1;
    return {
      id: `state-${index}-${party.join("-")}`,
      outcome: isWhole && taken.wrong === 0 && !isHonestOut ? "passed" : "failed",
      expected: `the state ${root.slice(0, 16)}`,
      actual: `${taken.parts} parts, ${taken.wrong} wrong, ${taken.end}, banned ${taken.banned.join(" ")}`,
    };
  });
  const nobody = takeState(context.seed, real, other, ["changed", "foreign", "another-part"]);
  cases.push({
    id: "state-nobody-is-honest",
    outcome: nobody.end === "failed" && nobody.kept.size === 0 ? "passed" : "failed",
    expected: "nothing is taken, and it says so",
    actual: `${nobody.kept.size} parts, ${nobody.end}`,
  });
  const gullible = { isGullible: true };
  const control = takeState(context.seed, real, other, ["turncoat", "honest"], gullible);
  cases.push({
    id: "control-parts-not-held",
    outcome: control.wrong > 0 ? "passed" : "failed",
    expected: "wrong parts",
    actual: `${control.wrong} wrong parts`,
    control: control.wrong > 0 ? "harmed" : "harmless",
  });
  const begun = takeState(context.seed, real, other, ["honest"], { stopAfter: 25 });
  const ended = takeState(context.seed, real, other, ["honest"], { before: begun });
  const isRest = begun.parts === 25 && ended.parts === real.parts.length - 25;
  cases.push({
    id: "state-second-start",
    outcome: isRest && ended.root === root ? "passed" : "failed",
    expected: "the rest of the parts",
    actual: `${begun.parts} parts, then ${ended.parts}`,
  });
  return { cases, stateParts: real.parts.length, wrongParts, statesUnfinished };
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
    const parties = partiesOf(lies, random, context.quick ? 10 : 20);
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
    const { cases: states, ...parts } = statesOf(context, random);
    cases.push(...states);
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
        ...parts,
      },
      goals: [
        { metric: "blocks", op: ">=", value: heights },
        { metric: "wrongBlocks", op: "=", value: 0 },
        { metric: "unfinished", op: "=", value: 0 },
        { metric: "honestBanned", op: "=", value: 0 },
        { metric: "wrongParts", op: "=", value: 0 },
        { metric: "statesUnfinished", op: "=", value: 0 },
      ],
    };
  },
};
