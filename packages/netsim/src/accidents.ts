/**
 * What befalls the machine of a Guardian, in a running network: it dies, its disk is put back to an older
 * copy, or it is copied whole and both go on. The host does what it must: it registers another session.
 */
import { assert } from "@ioi/base";
import { anchorCert, leaseViews, type SignerStore } from "@ioi/consensus";
import { member, nothing, timeoutRequest } from "@ioi/consensus/testing";
import type { AnchoredSigner } from "./guardians.ts";
import type { Network } from "./network.ts";

const anchored = (network: Network, index: number): AnchoredSigner => {
  const { signer } = network.node(index);
  assert("released" in signer, "a Guardian with an anchor");
  return signer;
};

/** A session that is gone is replaced; one that goes on is not. */
const goOn = (network: Network, index: number): void => {
  const signer = anchored(network, index);
  if (signer.status !== "none") return;
  const { makeKey = (name: string) => member(name, 1n).key } = network.options;
  signer.renew(makeKey);
  network.register(index);
};

/** At any moment: software goes on exactly, with a counter the session is gone. */
export const killGuardian = (network: Network, index: number): void => {
  anchored(network, index).kill();
  network.note(index, "loses its Guardian");
  goOn(network, index);
};

/** Stopped and started: the session goes on with any anchor. What its disk held is given back. */
export const restartGuardian = (network: Network, index: number): SignerStore => {
  const held = anchored(network, index).restart();
  network.note(index, "restarts its Guardian");
  goOn(network, index);
  return held;
};

/** To what its disk held before. */
export const restoreGuardian = (network: Network, index: number, held: SignerStore): void => {
  anchored(network, index).restore(held);
  network.note(index, "sets its Guardian back");
  goOn(network, index);
};

/** The second host of that validator has a copy from now on. */
export const cloneGuardian = (network: Network, index: number, second: number): void => {
  network.node(second).signer = anchored(network, index).clone();
  network.note(second, `has a copy of the Guardian of ${index}`);
};

/** The host has its Guardian sign in one view after another, up to where a successor's lease may end. */
export const outlive = (network: Network, index: number): void => {
  const { signer, judge } = network.node(index);
  const from = signer.state.slot.view + 1n;
  const qc = anchorCert(judge.context, judge.anchor);
  for (let ahead = 0n; ahead <= 3n * leaseViews; ahead += leaseViews / 2n) {
    const envelope = signer.ask(timeoutRequest(from + ahead, nothing));
    if (typeof envelope === "string") continue;
    network.note(index, `signs a timeout of ${from + ahead}, whoever asks`);
    for (const to of network.nodes.keys()) {
      if (to !== index) network.inject(to, { type: "timeout", envelope, qc }, index);
    }
  }
};
