/**
 * What a session's agent was told and how it answered, by turn. It follows from the journal, so that
 * an agent that is started anew is told the same, and a program that answers otherwise is found out.
 */
import { type AgentStep, agentStep, type SessionEffect, type Turn } from "@ioi/agent";
import { nodeCrypto } from "@ioi/host/crypto";
import { schema } from "@ioi/wire";

type Ask = Extract<SessionEffect, { readonly type: "ask-agent" }>;

export const stepDigest = (step: AgentStep): Uint8Array =>
  nodeCrypto.sha256(schema.encode(agentStep, step));

export class Told {
  readonly #turns: Turn[] = [];
  /** SHA-256 of the canonical step that answered each turn. */
  readonly #digests: Uint8Array[] = [];
  readonly #open: { call: number; turn: number } = { call: 0, turn: 0 };

  asked({ call, turn, observation, messages }: Ask): void {
    this.#turns[turn] = { observation, messages };
    this.#open.call = call;
    this.#open.turn = turn;
  }

  answered(call: number, step: AgentStep): void {
    if (call === this.#open.call) this.#digests[this.#open.turn] = stepDigest(step);
  }

  /** Up to and with this turn. */
  upTo(turn: number): readonly Turn[] {
    return this.#turns.slice(0, turn + 1);
  }

  /** How an earlier turn was answered. */
  digestOf(turn: number): Uint8Array | undefined {
    return this.#digests[turn];
  }
}
