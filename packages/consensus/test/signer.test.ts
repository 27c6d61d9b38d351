/** Sessions, leases and restarts of a Guardian with an anchor of either kind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  emptyStore,
  type GuardianRequest,
  GuardianSigner,
  lastView,
  leaseViews,
  type RollbackProtection,
  sessionId,
  type SignerAnswer,
  type SignerEffect,
  type SignerInput,
  type SignerStore,
} from "@ioi/consensus";
import type { SigningKey } from "@ioi/crypto";
import { keyOf } from "../src/objects.ts";
import {
  chain,
  digestOf,
  firstEpoch,
  genesis,
  member,
  named,
  nothing,
  timeoutRequest,
  twin,
} from "@ioi/consensus/testing";

const gid = named("gid");

/** A machine, and what of it is durable. */
class Box {
  store: SignerStore = emptyStore;
  signer: GuardianSigner;
  readonly protection: RollbackProtection;
  readonly keys = new Map<string, SigningKey>();

  constructor(protection: RollbackProtection) {
    this.protection = protection;
    this.signer = this.boot();
  }

  boot(store = this.store): GuardianSigner {
    const options = {
      provider: twin,
      gid,
      protection: this.protection,
      keyOf: (session: Uint8Array) => this.keys.get(keyOf(session)),
    };
    const { signer, effects } = GuardianSigner.boot(options, store);
    this.signer = signer;
    this.perform(effects);
    return signer;
  }

  perform(effects: readonly SignerEffect[]): SignerAnswer {
    let answer: SignerAnswer = { type: "done" };
    for (const effect of effects) {
      if (effect.type === "answer") ({ answer } = effect);
      else this.store = { anchor: effect.anchor, seal: effect.seal };
    }
    return answer;
  }

  ask(input: SignerInput): string {
    const answer = this.perform(this.signer.handle(input));
    return answer.type === "refused" ? answer.error.message : answer.type;
  }

  renew(name: string): bigint {
    const { key } = member(name, 1n);
    this.keys.set(keyOf(sessionId(twin, key.publicKey)), key);
    const answer = this.perform(this.signer.handle({ type: "renew", key }));
    assert.equal(answer.type, "session");
    return answer.type === "session" ? answer.session.leaseEnd : -1n;
  }
}

const enter = (view = 0n): SignerInput => ({
  type: "enter",
  chain,
  epoch: firstEpoch,
  validators: named("set"),
  anchor: { view, digest: genesis.digest },
});

const entered = (protection: RollbackProtection): Box => {
  const box = new Box(protection);
  assert.equal(box.renew("a"), 0n);
  assert.equal(box.ask(enter()), "done");
  return box;
};

const timeout = (view: bigint): GuardianRequest & { type: "sign" } => timeoutRequest(view, nothing);

test("S1: with a software anchor every answer is durable before it leaves, and a restart is exact", () => {
  const box = entered("none");
  const effects = box.signer.handle(timeout(3n));
  assert.deepEqual(
    effects.map(({ type }) => type),
    ["persist", "answer"],
  );
  box.perform(effects);
  const { state } = box.signer;
  const counter = box.store.anchor.counter;
  box.boot();
  assert.deepEqual(box.signer.state, state);
  assert.equal(box.store.anchor.counter, counter + 1n);
  assert.match(box.ask({ ...timeout(2n) }), /^G1: slot/);
  assert.equal(box.ask(timeout(3n)), "envelope", "what was given is given again");
  assert.deepEqual(box.signer.state, state);
});

test("S1: with a counter a seal is of a clean stop, is used up by one boot, and an older one is refused", () => {
  const box = entered("counter");
  box.ask(timeout(3n));
  assert.equal(box.store.seal, undefined, "nothing is sealed while it runs");
  box.ask({ type: "stop" });
  assert.match(box.ask(timeout(4n)), /no session/);
  const sealed = box.store;
  assert.ok(sealed.seal);
  box.boot();
  assert.equal(box.signer.status, "signing");
  assert.equal(box.store.seal, undefined);
  assert.equal(box.ask(timeout(4n)), "envelope");
  // The folder is set back; the counter is not.
  box.boot({ anchor: box.store.anchor, seal: sealed.seal });
  assert.equal(box.signer.status, "none");
  assert.match(box.signer.loss?.message ?? "", /of boot/);
  assert.match(box.ask(timeout(5n)), /^S1: there is no session/);
});

test("S1: a seal of another Guardian, with another lease or without its key is not taken up", () => {
  const box = entered("none");
  box.ask(timeout(3n));
  const { store } = box;
  box.boot({ ...store, anchor: { ...store.anchor, leaseEnd: 1n } });
  assert.match(box.signer.loss?.message ?? "", /lease/);
  box.keys.clear();
  box.boot(store);
  assert.match(box.signer.loss?.message ?? "", /key/);
  box.boot({ ...store, seal: new Uint8Array(3) });
  assert.equal(box.signer.status, "none");
});

test("S2: the lease goes ahead of the views, durable first, and never by more than twice", () => {
  const box = entered("counter");
  const leases: bigint[] = [];
  for (let view = 1n; view <= 5n * leaseViews; view++) {
    const effects = box.signer.handle(timeout(view));
    const writes = effects.filter(({ type }) => type === "persist");
    if (writes.length > 0) assert.equal(effects[0]?.type, "persist");
    box.perform(effects);
    const { leaseEnd } = box.store.anchor;
    assert.ok(leaseEnd > view && leaseEnd <= view + 2n * leaseViews);
    if (leaseEnd !== leases.at(-1)) leases.push(leaseEnd);
  }
  assert.equal(leases.length, 5, "one write for so many views");
  assert.match(box.ask(timeout(lastView)), /lease/);
  const before = box.store.anchor.leaseEnd;
  assert.match(box.ask(timeout(2n)), /^G1: slot/);
  assert.equal(box.store.anchor.leaseEnd, before, "what is refused moves nothing");
});

test("S3: a session that was given up is never signed with; the next enters above every lease", () => {
  const box = entered("none");
  box.ask(timeout(3n));
  const leaseEnd = box.renew("b");
  assert.equal(leaseEnd, box.store.anchor.leaseEnd);
  assert.ok(leaseEnd > 3n);
  assert.match(box.ask(timeout(4n)), /^S3: the session was not entered/);
  assert.match(box.ask({ type: "freeze", proof: digestOf(1) }), /^S3/);
  box.boot();
  assert.equal(box.signer.status, "waiting", "it outlives a restart");
  assert.match(box.ask(enter(leaseEnd - 1n)), /^S3: an earlier session/);
  assert.equal(box.ask(enter(leaseEnd)), "done");
  assert.match(box.ask(enter(leaseEnd)), /^S3: no session waits/);
  assert.match(box.ask(timeout(leaseEnd)), /^G1: slot/);
  assert.equal(box.ask(timeout(leaseEnd + 1n)), "envelope");
  assert.equal(box.signer.state?.counter, 1n);
});
