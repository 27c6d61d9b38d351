/**
 * The host's side of epochs: it enters the next one once it knows the set, tells who is behind where an
 * epoch ended, and convicts sessions that sign on though they have a successor (K7).
 *
 * Invariants: an epoch is entered by its certificate and the set that this names; what a host is told of an
 * end is verified before it does anything. Bound: one answer to a host in `toldMs`.
 */
import { assert, equalBytes, toHex } from "@ioi/base";
import { blockHash, type EndedEpoch, type Judge, judgeAfter, type Strength } from "@ioi/consensus";
import type { ConsensusEpoch, ConsensusMessage, DivergenceProof, Envelope } from "@ioi/wire";
import { followMs, toldMs } from "./limits.ts";
import type { SimNode } from "./node.ts";

export interface EndsPort {
  note(index: number, line: string): void;
  nowMs(): number;
  tell(from: number, to: number, end: EndedEpoch): void;
  /** It stands in another epoch now. */
  entered(index: number): void;
  /** Others are further. */
  behind(index: number): void;
  convict(index: number, proof: DivergenceProof): void;
}

/** Of what is said between hosts of one epoch; undefined: of none. */
const epochOf = (message: ConsensusMessage): ConsensusEpoch | undefined => {
  switch (message.type) {
    case "proposal":
    case "vote":
    case "timeout":
    case "freeze":
      return message.envelope.epoch;
    case "qc":
      return message.qc.epoch;
    case "tc":
      return message.tc.epoch;
    case "nack":
      return message.nack.propose.epoch;
    case "guard":
      return message.commit.block.epoch;
    case "guarded":
      return message.answer.epoch;
    case "block":
    case "divergence":
    case "fetch":
      return undefined;
  }
};

const envelopeOf = (message: ConsensusMessage): Envelope | undefined =>
  "envelope" in message ? message.envelope : undefined;

export class Ends {
  readonly #port: EndsPort;
  /** Hosts share what they remember of signatures, so they share the judge of an epoch. */
  readonly #judges = new Map<string, Judge>();

  constructor(port: EndsPort) {
    this.#port = port;
  }

  /** True: the message is of the host's own epoch, or of none. */
  isNow(index: number, node: SimNode, from: number, message: ConsensusMessage): boolean {
    const epoch = epochOf(message);
    const isLater = epoch !== undefined && epoch.number > node.course.number;
    // Whoever is in no set follows what the others commit.
    if (isLater || node.me === undefined) this.#follow(index, node);
    if (epoch === undefined || epoch.number === node.course.number) return true;
    if (isLater) return false;
    const envelope = envelopeOf(message);
    const proof = envelope === undefined ? undefined : node.course.outlived(envelope);
    if (proof !== undefined) this.#port.convict(index, proof);
    const end = node.course.endOf(epoch);
    const lastMs = node.told.get(from) ?? Number.NEGATIVE_INFINITY;
    if (end === undefined || this.#port.nowMs() < lastMs + toldMs) return false;
    node.told.set(from, this.#port.nowMs());
    this.#port.tell(index, from, end);
    return false;
  }

  /** What anybody says of an epoch that is not known yet is worth one question. */
  #follow(index: number, node: SimNode): void {
    const nowMs = this.#port.nowMs();
    if (nowMs < node.followedMs + followMs) return;
    node.followedMs = nowMs;
    this.#port.behind(index);
  }

  /** By whoever is further. */
  told(index: number, node: SimNode, { cert }: EndedEpoch): void {
    if (cert.boundary.epoch.number !== node.course.number) return;
    if (node.judge.epochCert(cert).ok) this.#port.behind(index);
  }

  /** Its own commit ended the epoch; what follows is in the state that the last block stands on. */
  enterOwn(index: number, node: SimNode): void {
    const cert = node.ending;
    const registry =
      cert === undefined ? undefined : node.ledger.registryAt(cert.boundary.stateHeight);
    if (cert === undefined || registry === undefined) return;
    if (BigInt(node.ledger.height) < cert.boundary.stateHeight) return;
    const { set } = registry.succession(node.judge.set, cert.boundary.view);
    const said = cert.boundary.ends?.validators;
    assert(said !== undefined && equalBytes(set.hash, said), "the set that was voted for");
    const strength = node.judge.commitCert(cert.commit);
    assert(strength.ok, "what ended an epoch is certified");
    this.enter(index, node, { cert, next: set.entries }, strength.value);
  }

  /** `end` was verified. */
  enter(index: number, node: SimNode, end: EndedEpoch, { power }: Strength): void {
    const { provider, set: before } = node.judge;
    const key = `${toHex(blockHash(provider, end.cert.boundary))} ${toHex(before.hash)}`;
    const known = this.#judges.get(key);
    const after = known === undefined ? judgeAfter(node.judge, end) : undefined;
    const judge = after?.ok === true ? after.value.judge : known;
    assert(judge !== undefined, "an end that was verified");
    this.#judges.set(key, judge);
    node.enter(end, judge, power);
    if ("enter" in node.signer) node.signer.enter(judge);
    else node.signer.ask({ type: "advance", ...judge.context, anchor: judge.anchor });
    const { set, context } = judge;
    this.#port.note(index, `enters epoch ${context.epoch.number} of ${set.size} validators`);
    this.#port.entered(index);
  }
}
