/** What the tests of this package share. */
import { createHash } from "node:crypto";
import assert from "node:assert/strict";
import { utf8Encode, wallMs } from "@ioi/base";
import { action as actionSchema, schema } from "@ioi/wire";
import {
  commandAgent,
  type Goal,
  type Observation,
  runView,
  type SessionEffect,
  type SessionInput,
  SessionMachine,
  turnsOf,
  type Verdict,
} from "../src/index.ts";

export const sha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update(bytes).digest());

/** mulberry32: an integer in [0, bound). */
export const seeded = (seed: number): ((bound: number) => number) => {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
};

export const bytes = (length: number, byte: number): Uint8Array =>
  new Uint8Array(length).fill(byte);

export const goalStart = (
  text: string,
  more: Partial<Extract<SessionInput, { readonly type: "start" }>> = {},
): SessionInput => ({
  type: "start",
  session: "s-1",
  workspace: "/w",
  onAsk: "pend",
  agent: "planner",
  goal: { text, kind: "planner", earlier: [], lost: [] },
  ...more,
});

const judged = {
  rules: ["r-1"],
  asks: [],
  reason: "because",
  instead: "",
  display: "read /w/a.txt",
  receipt: { index: 7n, leafHash: bytes(32, 7) },
  timing: { gateUs: 1000, prepareUs: 300, proposeUs: 700, decideUs: 10, syncUs: 500, signUs: 50 },
} as const;

export const allowed = (counter: bigint): Verdict => ({
  type: "allow",
  ...judged,
  counter,
  ttlMs: 5000,
  ticket: bytes(100, 9),
});
export const asked = (approval: string): Verdict => ({ type: "ask", ...judged, approval });
export const refused: Verdict = {
  type: "deny",
  ...judged,
  reason: "outside the workspace",
  instead: "paths below /w",
};

/** Drives a machine by hand; every helper answers the one call that is open. */
export class Driven {
  readonly machine = new SessionMachine();
  readonly seen: Observation[] = [];
  effects: readonly SessionEffect[] = [];
  nowMs = 1000;
  #goal: Goal = { text: "", kind: "planner", earlier: [], lost: [] };

  give(input: SessionInput): this {
    this.nowMs += 10;
    if (input.type === "start") this.#goal = input.goal;
    this.effects = this.machine.handle(input, wallMs(this.nowMs));
    for (const each of this.effects) {
      if (each.type === "ask-agent") this.seen[each.turn] = each.observation;
    }
    return this;
  }

  get call(): number {
    return this.machine.state.call;
  }

  effect<T extends SessionEffect["type"]>(type: T): Extract<SessionEffect, { type: T }> {
    const found = this.effects.find((each) => each.type === type);
    assert.ok(found !== undefined, `no ${type} in ${this.effects.map((each) => each.type).join()}`);
    return found as Extract<SessionEffect, { type: T }>;
  }

  has(type: SessionEffect["type"]): boolean {
    return this.effects.some((each) => each.type === type);
  }

  opened(): this {
    return this.give({ type: "opened", call: this.call, policyHash: bytes(32, 1) });
  }

  planned(): this {
    return this.give({
      type: "step",
      call: this.call,
      step: commandAgent(this.#goal).step(turnsOf(this.seen)),
    });
  }

  prepared(id = 1): this {
    const { target, args } = this.effect("prepare");
    const action = schema.encode(actionSchema, { version: 1, target, args, facts: {} });
    return this.give({
      type: "prepared",
      call: this.call,
      action,
      actionId: sha256(action),
      nonce: bytes(16, id),
      prepared: utf8Encode("prepared"),
      preparedSignature: bytes(64, 2),
    });
  }

  verdict(verdict: Verdict): this {
    return this.give({ type: "verdict", call: this.call, verdict });
  }

  outcome(more: Partial<Extract<SessionInput, { type: "outcome" }>> = {}): this {
    return this.give({
      type: "outcome",
      call: this.call,
      counter: this.machine.state.lastCounter,
      status: "confirmed",
      bytes: 3,
      resultHash: bytes(32, 3),
      reversible: true,
      evidence: {},
      changed: [],
      content: "hi\n",
      outcome: utf8Encode("outcome"),
      outcomeSignature: bytes(64, 4),
      ...more,
    });
  }

  reported(): this {
    const receipt = { index: 8n, leafHash: bytes(32, 8) };
    return this.give({ type: "reported", call: this.call, receipt });
  }

  /** From the open question to the agent up to its answer's report. */
  performed(counter: bigint): this {
    return this.planned().prepared().verdict(allowed(counter)).outcome().reported();
  }

  closed(): this {
    return this.give({ type: "closed", call: this.call });
  }

  view(): ReturnType<typeof runView> {
    return runView(this.machine.state);
  }
}

export const begun = (text: string, more: Parameters<typeof goalStart>[1] = {}): Driven =>
  new Driven().give(goalStart(text, more)).opened();
