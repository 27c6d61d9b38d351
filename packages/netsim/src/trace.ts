/**
 * Everything that happened as lines, and as one hash: two runs of a seed have the same.
 *
 * Bounds: `traceLinesMax` lines are held.
 */
import { concatBytes, toHex, utf8Encode } from "@ioi/base";
import type { EngineEffect, EngineInput } from "@ioi/consensus";
import type { Hashing } from "@ioi/crypto";
import type { ConsensusMessage } from "@ioi/wire";
import { traceLinesMax } from "./limits.ts";

export class Trace {
  readonly #hashing: Hashing;
  #hash: Uint8Array = new Uint8Array(32);
  #lines: string[] = [];

  constructor(hashing: Hashing) {
    this.#hashing = hashing;
  }

  add(line: string): void {
    if (this.#lines.push(line) >= traceLinesMax) this.#fold();
  }

  get hash(): string {
    if (this.#lines.length > 0) this.#fold();
    return toHex(this.#hash);
  }

  #fold(): void {
    const text = utf8Encode(this.#lines.join("\n"));
    this.#hash = this.#hashing.sha256(concatBytes(this.#hash, text));
    this.#lines = [];
  }
}

const short = (digest: Uint8Array): string => toHex(digest.subarray(0, 4));

const messageLine = (message: ConsensusMessage): string => {
  switch (message.type) {
    case "proposal": {
      const { envelope, tc } = message;
      const opened = tc === undefined ? "" : ` after TC(${tc.view})`;
      return `proposal ${envelope.view} ${short(envelope.digest)} on ${envelope.justView}${opened}`;
    }
    case "vote":
      return `vote ${message.envelope.view} ${short(message.envelope.digest)}`;
    case "timeout":
      return `timeout ${message.envelope.view} high ${message.envelope.high.view}`;
    case "qc":
      return `qc ${message.qc.view} ${short(message.qc.digest)} of ${message.qc.votes.length}`;
    case "tc":
      return `tc ${message.tc.view} of ${message.tc.timeouts.length}`;
    case "nack":
      return `nack ${message.nack.propose.view} qc ${message.nack.qc.view}`;
    case "fetch":
      return `fetch ${short(message.digest)}`;
    case "block":
      return `block ${message.block.header.height} of view ${message.block.header.view}`;
    case "divergence":
      return `divergence ${message.proof.kind} of ${message.proof.registration.index}`;
    case "freeze":
      return `freeze ${short(message.envelope.digest)}`;
    case "guard":
      return `guard ${message.commit.block.height}`;
    case "guarded": {
      const { block, voter, votes } = message.answer;
      return `guarded ${short(block)} by ${voter}: ${votes.length} against`;
    }
  }
};

export const inputLine = (input: EngineInput): string => {
  switch (input.type) {
    case "message":
      return `hears ${input.from} ${messageLine(input.message)}`;
    case "signed": {
      const { kind, view, digest, counter } = input.envelope;
      return `signed ${kind} ${view} ${short(digest)} counter ${counter}`;
    }
    case "unsigned":
      return "unsigned";
    case "built":
      return `built ${input.view} ${short(input.payloadRoot)} state ${short(input.stateRoot)}`;
    case "judged":
      return `judged ${short(input.digest)} ${input.isHeld ? "held" : "refused"}`;
    case "payload":
      return `payload ${input.waits ? "waits" : "none"}`;
    case "guard":
      return `guard ${input.height}`;
    case "recalled":
      return `recalled ${input.kept.length}`;
    case "tick":
      return "tick";
  }
};

/** Of what nobody hears from the input that follows. */
export const effectLine = (effect: EngineEffect): string | undefined => {
  switch (effect.type) {
    case "persist":
      return `persists ${effect.record.type}`;
    case "commit": {
      const { height, view } = effect.cert.block;
      return `commits ${height} of view ${view}, strength ${effect.strength.power}`;
    }
    case "strengthened":
      return `strengthens ${effect.cert.block.height} to ${effect.strength.power}`;
    case "guarded":
      return `asked about ${effect.height}: ${effect.verdict}, OK by ${effect.power}`;
    case "divergence": {
      const { proof, sanction } = effect;
      const { index, epoch } = proof.registration;
      const paid = sanction.type === "slash" ? `, only to be slashed: ${sanction.reason}` : "";
      return `convicts ${index} of epoch ${epoch.number} by ${proof.kind}${paid}`;
    }
    case "refused":
      return `refuses ${effect.from}: ${effect.error.code}`;
    case "broadcast":
      return `sends all ${messageLine(effect.message)}`;
    case "send":
      return `sends ${effect.to} ${messageLine(effect.message)}`;
    case "keep":
    case "recall":
    case "sign":
    case "lookup":
    case "build":
    case "judge":
      return undefined;
  }
};
