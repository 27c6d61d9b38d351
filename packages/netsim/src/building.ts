/** The hosts of a simulated network as they are before anything happened. */
import { assert, type SeededRandom, toHex } from "@ioi/base";
import {
  Course,
  type EngineOptions,
  type EngineStart,
  heartbeatMs,
  type Judge,
} from "@ioi/consensus";
import { judgeOf, type Member, named, Signer, speaker, twin } from "@ioi/consensus/testing";
import { AnchoredSigner, type SimSigner } from "./guardians.ts";
import { DiskJournal, epochOf, MemoryJournal } from "./journal.ts";
import { Ledger } from "./ledger.ts";
import { SimNode } from "./node.ts";
import type { NetworkOptions } from "./options.ts";
import { Registry } from "./registry.ts";

const signerOf = (
  { broken, protection, provider = twin }: NetworkOptions,
  judge: Judge,
  each: Member,
  validator: number,
): SimSigner => {
  const without = broken?.get(validator);
  if (protection === undefined || without !== undefined) {
    return new Signer(judge, each, provider, without ?? []);
  }
  const signer = AnchoredSigner.make(each, provider, protection);
  signer.enter(judge);
  return signer;
};

/** In the order of their numbers: those of the first set, second hosts, and who may join. */
export const nodesOf = (
  options: NetworkOptions,
  judge: Judge,
  random: SeededRandom,
): readonly SimNode[] => {
  const { members, twins = [], joiners = [], areClones = false, disk } = options;
  const { driftMsMax = 0, provider = twin } = options;
  const registry = new Registry(provider, judge.set);
  const all = [...members, ...joiners];
  const signers = all.map((each, index) => signerOf(options, judge, each, index));
  const joining = joiners.map((_, i) => members.length + i);
  return [...members.keys(), ...twins, ...joining].map((validator, index) => {
    const each = all[validator];
    const isSecond = index >= members.length && validator < members.length;
    assert(each !== undefined, `no validator ${validator}`);
    const own = signers[validator];
    const signer = isSecond && areClones ? signerOf(options, judge, each, validator) : own;
    assert(signer !== undefined, `no validator ${validator}`);
    const plan = {
      validator,
      gid: each.entry.gid,
      without: options.without?.get(index) ?? [],
      driftMs: driftMsMax === 0 ? 0 : random.below(driftMsMax),
      speak: speaker(provider, each),
    };
    const disks = random.fork(`disk ${index}`);
    const journal = disk === undefined ? new MemoryJournal() : new DiskJournal(disks, disk);
    const course = new Course(judge);
    const ledger = new Ledger(provider, registry, () => course.sets);
    return new SimNode(plan, signer, journal, ledger, course);
  });
};

/** Of the engine that begins where the node stands, as number `me` of its epoch's set. */
export const engineOf = async (
  { engine, areJudgesOwn = false, areForgetful = false, members, provider }: NetworkOptions,
  node: SimNode,
  me: number,
): Promise<{ readonly options: EngineOptions; readonly start: EngineStart }> => {
  const { root, rootQc, course, judge, plan } = node;
  const { number } = course;
  const records = (await node.journal.recover()).filter((each) => epochOf(each) === number);
  return {
    options: {
      judge: areJudgesOwn ? judgeOf(members, provider) : judge,
      seed: named("schedule"),
      me,
      sets: course.sets,
      deltaMs: 25,
      baseMs: 250,
      strongMs: 10,
      heartbeatMs: judge.set.size === 1 ? 0 : heartbeatMs,
      speak: plan.speak,
      without: new Set(plan.without),
      ...engine,
    },
    start: {
      root,
      records,
      kept: areForgetful ? [] : node.journal.window.of(number),
      heightOf: (digest) => node.store.get(toHex(digest))?.header.height,
      ...(rootQc === undefined ? {} : { rootQc }),
    },
  };
};
