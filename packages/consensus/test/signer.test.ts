/** Sessions, leases and restarts of a Guardian with an anchor of either kind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type GuardianRequest,
  lastView,
  leaseViews,
  type RollbackProtection,
  type SignerInput,
} from "@ioi/consensus";
import {
  Anchored,
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

class Box {
  readonly #it: Anchored;

  constructor(protection: RollbackProtection) {
    this.#it = new Anchored(twin, gid, protection);
  }

  get it(): Anchored {
    return this.#it;
  }

  ask(input: SignerInput): string {
    const answer = this.#it.handle(input);
    return answer?.type === "refused" ? answer.error.message : (answer?.type ?? "dead");
  }

  renewed(name: string): bigint {
    const answer = this.#it.renew(member(name, 1n).key);
    assert.ok(answer?.type === "session");
    return answer.session.leaseEnd;
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
  assert.equal(box.renewed("a"), 0n);
  assert.equal(box.ask(enter()), "done");
  return box;
};

const timeout = (view: bigint): GuardianRequest & { type: "sign" } => timeoutRequest(view, nothing);

test("A1: with a software anchor every answer is durable before it leaves, and a restart is exact", () => {
  const box = entered("none");
  assert.equal(box.it.handle(timeout(3n), 1), undefined, "it dies between disk and answer");
  assert.deepEqual(box.it.released, []);
  box.it.boot();
  assert.equal(box.it.handle(timeout(3n), 0)?.type, undefined, "asked again, it dies at once");
  box.it.boot();
  assert.equal(box.ask(timeout(3n)), "envelope");
  const { state } = box.it.signer;
  const counter = box.it.store.anchor.counter;
  box.it.boot();
  assert.deepEqual(box.it.signer.state, state);
  assert.equal(box.it.store.anchor.counter, counter + 1n);
  assert.match(box.ask({ ...timeout(2n) }), /^G1: slot/);
  assert.equal(box.ask(timeout(3n)), "envelope", "what was given is given again");
  assert.deepEqual(box.it.signer.state, state);
});

test("A1: with a counter a seal is of a clean stop, is used up by one boot, and an older one is refused", () => {
  const box = entered("counter");
  box.ask(timeout(3n));
  assert.equal(box.it.store.seal, undefined, "nothing is sealed while it runs");
  box.ask({ type: "stop" });
  assert.match(box.ask(timeout(4n)), /no session/);
  const sealed = box.it.store;
  assert.ok(sealed.seal);
  box.it.boot();
  assert.equal(box.it.signer.status, "signing");
  assert.equal(box.it.store.seal, undefined);
  assert.equal(box.ask(timeout(4n)), "envelope");
  // The folder is set back; the counter is not.
  box.it.boot({ anchor: box.it.store.anchor, seal: sealed.seal });
  assert.equal(box.it.signer.status, "none");
  assert.match(box.it.signer.loss?.message ?? "", /of boot/);
  assert.match(box.ask(timeout(5n)), /^A1: there is no session/);
});

test("A1: a seal of another Guardian, with another lease or without its key is not taken up", () => {
  const box = entered("none");
  box.ask(timeout(3n));
  const { store } = box.it;
  box.it.boot({ ...store, anchor: { ...store.anchor, leaseEnd: 1n } });
  assert.match(box.it.signer.loss?.message ?? "", /lease/);
  box.it.forgetKeys();
  box.it.boot(store);
  assert.match(box.it.signer.loss?.message ?? "", /key/);
  box.it.boot({ ...store, seal: new Uint8Array(3) });
  assert.equal(box.it.signer.status, "none");
});

test("A2: the lease goes ahead of the views, durable first, and never by more than twice", () => {
  const box = entered("counter");
  assert.equal(box.it.handle(timeout(1n), 1), undefined, "the lease is durable before the answer");
  assert.ok(box.it.store.anchor.leaseEnd > 1n);
  box.it.boot();
  assert.equal(box.it.signer.status, "none", "a kill costs the session");
  assert.equal(box.renewed("c"), box.it.store.anchor.leaseEnd);
});

test("A2: one write for so many views, at most twice ahead", () => {
  const box = entered("counter");
  const leases: bigint[] = [];
  for (let view = 1n; view <= 5n * leaseViews; view++) {
    const answered = box.ask(timeout(view));
    assert.equal(answered, "envelope");
    const { leaseEnd } = box.it.store.anchor;
    assert.ok(leaseEnd > view && leaseEnd <= view + 2n * leaseViews);
    if (leaseEnd !== leases.at(-1)) leases.push(leaseEnd);
  }
  assert.equal(leases.length, 5, "one write for so many views");
  assert.match(box.ask(timeout(lastView)), /lease/);
  const before = box.it.store.anchor.leaseEnd;
  assert.match(box.ask(timeout(2n)), /^G1: slot/);
  assert.equal(box.it.store.anchor.leaseEnd, before, "what is refused moves nothing");
});

test("A3: a session that was given up is never signed with; the next enters above every lease", () => {
  const box = entered("none");
  box.ask(timeout(3n));
  const leaseEnd = box.renewed("b");
  assert.equal(leaseEnd, box.it.store.anchor.leaseEnd);
  assert.ok(leaseEnd > 3n);
  assert.match(box.ask(timeout(4n)), /^A3: the session was not entered/);
  assert.match(box.ask({ type: "freeze", proof: digestOf(1) }), /^A3/);
  box.it.boot();
  assert.equal(box.it.signer.status, "waiting", "it outlives a restart");
  assert.match(box.ask(enter(leaseEnd - 1n)), /^A3: an earlier session/);
  assert.equal(box.ask(enter(leaseEnd)), "done");
  assert.match(box.ask(enter(leaseEnd)), /^A3: no session waits/);
  assert.match(box.ask(timeout(leaseEnd)), /^G1: slot/);
  assert.equal(box.ask(timeout(leaseEnd + 1n)), "envelope");
  assert.equal(box.it.signer.state?.counter, 1n);
});
