/**
 * One Guardian, one fault, in memory: killed before any effect, set back to an older copy, or copied
 * whole. Then everything that left is compared, as a network would.
 */
import { assert, type SeededRandom, toHex } from "@ioi/base";
import {
  divergenceOf,
  leaseProofOf,
  leaseViews,
  nextTenureStart,
  proofOf,
  type RollbackProtection,
  sessionId,
  type SignerInput,
  ValidatorSet,
  verifyDivergence,
  zeroHash,
} from "@ioi/consensus";
import { Anchored, chain, digestOf, member, type TestProvider } from "@ioi/consensus/testing";
import type { DivergenceProof, Envelope } from "@ioi/wire";

export type Fault = "kill" | "restore" | "clone" | "outlived";

export interface Trial {
  readonly fault: Fault;
  readonly protection: RollbackProtection;
  readonly released: number;
  readonly kills: number;
  /** Pairs that no sound Guardian signs. */
  readonly doubles: number;
  /** Of the proofs that such envelopes make, those that hold. */
  readonly convictions: number;
  /** An older copy was taken up. */
  readonly wasSetBack: boolean;
}

const ref = (view: bigint) => ({ view, digest: view === 0n ? zeroHash : digestOf(Number(view)) });

/** A host, the epochs that its sessions are registered in, and what a network sees of it. */
class World {
  readonly provider: TestProvider;
  readonly random: SeededRandom;
  readonly guardian: Anchored;
  readonly #sets: ValidatorSet[] = [];
  readonly #validator = member("it", 1n);
  view = 0n;
  kills = 0;

  constructor(provider: TestProvider, random: SeededRandom, protection: RollbackProtection) {
    this.provider = provider;
    this.random = random;
    this.guardian = new Anchored(provider, this.#validator.entry.gid, protection);
    this.register();
  }

  get epoch(): number {
    return this.#sets.length - 1;
  }

  /** A new session, in an epoch that begins above its lease. */
  register(): void {
    const before = this.#sets.at(-1)?.entries[0]?.sessionKey;
    const { key } = member(`session ${this.random.below(2 ** 31)}`, 1n);
    const answer = this.guardian.renew(key);
    assert(answer?.type === "session", "a session");
    const { leaseEnd } = answer.session;
    const succeeds =
      before === undefined
        ? undefined
        : { session: sessionId(this.provider, before), lease: leaseEnd };
    const entry = {
      ...this.#validator.entry,
      sessionKey: key.publicKey,
      ...(succeeds === undefined ? {} : { succeeds }),
    };
    const set = ValidatorSet.from(this.provider, [entry]);
    assert(set.ok, "a set");
    this.#sets.push(set.value);
    const above = this.view > leaseEnd ? this.view : leaseEnd;
    this.view = nextTenureStart(above);
    const entered = this.guardian.handle({
      type: "enter",
      chain,
      epoch: { number: BigInt(this.epoch), mode: "a-dmft" },
      validators: set.value.hash,
      anchor: ref(this.view - 1n),
    });
    assert(entered?.type === "done", "entered");
  }

  sign(kind: "propose" | "vote" | "timeout", view: bigint, digest: number): SignerInput {
    const just = kind === "timeout" ? ref(0n) : ref(view - 1n);
    const bytes = kind === "timeout" ? zeroHash : digestOf(digest);
    return { type: "sign", kind, view, digest: bytes, just, seen: ref(view - 1n) };
  }

  /** What a host asks, a malicious one too: forwards mostly, again, behind, contradicting. */
  request(): SignerInput {
    const { random } = this;
    this.view += BigInt(random.below(3));
    if (random.chance(1, 20)) this.view += leaseViews;
    const kind = (["propose", "vote", "timeout"] as const)[random.below(3)] ?? "vote";
    const back = random.chance(1, 5) ? BigInt(random.below(3)) : 0n;
    const view = this.view > back ? this.view - back : this.view;
    return this.sign(kind, view === 0n ? 1n : view, random.below(3));
  }

  run(requests: number): void {
    for (let i = 0; i < requests; i++) this.guardian.handle(this.request());
  }

  die(): void {
    this.kills += 1;
    const { guardian, random } = this;
    // In the middle of a request, or of the boot after it.
    if (guardian.handle(this.request(), random.below(3)) !== undefined) guardian.boot();
    else if (!guardian.boot(guardian.store, random.below(2))) guardian.boot();
    if (guardian.signer.status === "none") this.register();
  }

  judge(fault: Fault, envelopes: readonly Envelope[], wasSetBack = false): Trial {
    const { protection } = this.guardian;
    const proofs = [...this.#pairs(envelopes), ...this.#outlived(envelopes)];
    const sets = {
      chain,
      setOf: ({ number }: { number: bigint }) => this.#sets[Number(number)]?.hash,
    };
    const holding = proofs.filter((proof) => verifyDivergence(this.provider, sets, proof).ok);
    return {
      fault,
      protection,
      released: envelopes.length,
      kills: this.kills,
      doubles: proofs.length,
      convictions: holding.length,
      wasSetBack,
    };
  }

  #set(number: number): ValidatorSet {
    const set = this.#sets[number];
    assert(set !== undefined, "an epoch that was entered");
    return set;
  }

  #pairs(envelopes: readonly Envelope[]): readonly DivergenceProof[] {
    const proofs: DivergenceProof[] = [];
    for (const [index, one] of envelopes.entries()) {
      for (const other of envelopes.slice(index + 1)) {
        const kind = divergenceOf(this.provider, one, other);
        if (kind === undefined) continue;
        const registration = this.#set(Number(one.epoch.number)).registration(0, one.epoch);
        proofs.push(proofOf(kind, registration, one, other));
      }
    }
    return proofs;
  }

  #outlived(envelopes: readonly Envelope[]): readonly DivergenceProof[] {
    const proofs: DivergenceProof[] = [];
    for (const envelope of envelopes) {
      const number = Number(envelope.epoch.number);
      const next = this.#sets[number + 1];
      const lease = next?.entries[0]?.succeeds?.lease;
      if (next === undefined || lease === undefined || envelope.view < lease) continue;
      const registration = this.#set(number).registration(0, envelope.epoch);
      const epoch = { number: BigInt(number + 1), mode: "a-dmft" } as const;
      proofs.push(leaseProofOf(registration, envelope, next.registration(0, epoch)));
    }
    return proofs;
  }
}

const distinct = (envelopes: readonly Envelope[]): readonly Envelope[] => [
  ...new Map(envelopes.map((each) => [toHex(each.signature), each])).values(),
];

const killed = (world: World): Trial => {
  for (let lives = 1 + world.random.below(3); lives > 0; lives--) {
    world.run(world.random.below(4));
    world.die();
  }
  world.run(3);
  return world.judge("kill", distinct(world.guardian.released));
};

/** An older copy of everything but the anchor's counter, where there is one. */
const restored = (world: World): Trial => {
  const { guardian, random } = world;
  world.run(1 + random.below(3));
  if (guardian.protection === "counter") guardian.handle({ type: "stop" });
  const copy = guardian.store;
  guardian.boot();
  const view = world.view + 1n;
  guardian.handle(world.sign("vote", view, 1));
  world.run(random.below(3));
  if (guardian.protection === "counter" && random.chance(1, 2)) guardian.handle({ type: "stop" });
  const { anchor } = guardian.store;
  guardian.boot(guardian.protection === "counter" ? { anchor, seal: copy.seal } : copy);
  const wasSetBack = guardian.signer.status === "signing";
  if (!wasSetBack) world.register();
  guardian.handle(world.sign("vote", view, 2));
  world.run(2);
  return world.judge("restore", distinct(guardian.released), wasSetBack);
};

/** Two of it, each with what its anchor needs: it is broken, whatever it says of itself. */
const cloned = (world: World): Trial => {
  const { guardian, random } = world;
  world.run(random.below(4));
  if (guardian.protection === "counter") guardian.handle({ type: "stop" });
  const copy = guardian.clone();
  guardian.boot();
  const view = world.view + 1n + BigInt(random.below(3));
  guardian.handle(world.sign("vote", view, 1));
  copy.handle(world.sign("vote", view + BigInt(random.below(2)), 2));
  world.run(random.below(3));
  return world.judge("clone", distinct([...guardian.released, ...copy.released]));
};

/** The copy says nothing that contradicts, but goes on after the session had a successor. */
const outlived = (world: World): Trial => {
  const { guardian } = world;
  world.run(world.random.below(4));
  const copy = guardian.clone();
  const last = world.epoch;
  world.register();
  assert(world.epoch === last + 1, "another epoch");
  const late = world.view + BigInt(world.random.below(100));
  copy.handle(world.sign("timeout", late, 0));
  world.run(3);
  return world.judge("outlived", distinct([...guardian.released, ...copy.released]));
};

const faults: readonly (readonly [Fault, RollbackProtection, number])[] = [
  ["kill", "none", 45],
  ["kill", "counter", 15],
  ["restore", "counter", 15],
  ["restore", "none", 5],
  ["clone", "none", 8],
  ["clone", "counter", 4],
  ["outlived", "none", 8],
];

/** The control of every kill: a shell that answers first signs twice. */
export const hastyTrial = (provider: TestProvider, random: SeededRandom): Trial => {
  const world = new World(provider, random, "none");
  world.guardian.isHasty = true;
  return killed(world);
};

export const trial = (provider: TestProvider, random: SeededRandom): Trial => {
  let ticket = random.below(100);
  for (const [fault, protection, share] of faults) {
    ticket -= share;
    if (ticket >= 0) continue;
    const world = new World(provider, random, protection);
    switch (fault) {
      case "kill":
        return killed(world);
      case "restore":
        return restored(world);
      case "clone":
        return cloned(world);
      case "outlived":
        return outlived(world);
    }
  }
  throw new RangeError("shares of 100");
};
