/** A model agent in its session, with a model and a gate that a test scripts. */
import assert from "node:assert/strict";
import { toHex, utf8Decode, utf8Encode, wallMs } from "@ioi/base";
import { action as actionSchema, type CanonicalValue, schema } from "@ioi/wire";
import {
  type Agent,
  encodeHeader,
  isModelCall,
  journalStep,
  type KeptBytes,
  lookAt,
  modelAgent,
  outcomeContentBytesMax,
  runView,
  type SessionEffect,
  type SessionInput,
  SessionMachine,
  type Stretch,
  type Turn,
  type Verdict,
} from "../src/index.ts";
import { allowed, bytes, refused, sha256 } from "./support.ts";

export interface Prompt {
  readonly system: string;
  readonly messages: readonly {
    readonly role: "user" | "assistant" | "tool";
    readonly content: string;
    readonly calls?: readonly { readonly id: string; readonly name: string }[];
    readonly call?: string;
  }[];
  readonly tools: readonly { readonly name: string }[];
}

export interface ScriptedCall {
  readonly id?: string;
  readonly name: string;
  readonly arguments: string;
}

export const reply = (
  text: string,
  calls: readonly ScriptedCall[] = [],
  finish: string = calls.length > 0 ? "calls" : "stop",
): string =>
  JSON.stringify({
    text,
    calls: calls.map((call, at) => ({ id: `c-${at}`, ...call })),
    finish,
    usage: { input: 1, output: 1, cached: 0 },
  });

export const call = (name: string, given: object): ScriptedCall => ({
  name,
  arguments: JSON.stringify(given),
});

type Args = { readonly [name: string]: CanonicalValue };
type Outcome = Partial<Extract<SessionInput, { readonly type: "outcome" }>>;

export interface ModelScript {
  readonly goal?: string;
  readonly model: (prompt: Prompt, at: number) => string | Outcome;
  readonly verdict?: (target: string, args: Args, counter: bigint) => Verdict;
  readonly act?: (target: string, args: Args) => Outcome;
  readonly start?: Partial<Extract<SessionInput, { readonly type: "start" }>>;
  readonly contextTokens?: number;
  /** What is kept behind a handle. */
  readonly kept?: (stretch: Stretch) => KeptBytes | "none" | undefined;
  /** Makes the agent anew before every step, as a restart would. */
  readonly forgetful?: boolean;
  readonly stopAfter?: number;
}

export interface Modelled {
  readonly machine: SessionMachine;
  readonly view: ReturnType<typeof runView>;
  readonly prompts: readonly Prompt[];
  readonly journal: readonly Uint8Array[];
  readonly effects: readonly SessionEffect[];
  /** When each effect of the session came. */
  readonly times: readonly number[];
  give(input: SessionInput): void;
  /** Goes on until the session rests, ends or nothing is due. */
  run(): void;
}

const stepsMax = 4000;

class Session implements Modelled {
  readonly machine = new SessionMachine();
  readonly prompts: Prompt[] = [];
  readonly journal: Uint8Array[] = [encodeHeader("s-1")];
  readonly effects: SessionEffect[] = [];
  readonly times: number[] = [];
  readonly #script: ModelScript;
  readonly #turns: Turn[] = [];
  readonly #inputs: SessionInput[] = [];
  /** Replies that are too long to stand in place. */
  readonly #long: Map<number, Uint8Array> = new Map();
  #agent: Agent;
  #counter = 0n;
  #nowMs = 1000;

  constructor(script: ModelScript) {
    this.#script = script;
    this.#agent = this.#newAgent();
    const goal = { text: script.goal ?? "do it", kind: "model", earlier: [], lost: [] } as const;
    this.give({
      type: "start",
      session: "s-1",
      workspace: "/w",
      onAsk: "pend",
      agent: "model",
      goal,
      ...script.start,
    });
  }

  #newAgent(): Agent {
    return modelAgent({ text: "", kind: "model", earlier: [], lost: [] });
  }

  get view(): ReturnType<typeof runView> {
    return runView(this.machine.state);
  }

  give(input: SessionInput): void {
    this.#nowMs += 10;
    const { effects, record } = journalStep(this.machine, input, this.#nowMs, sha256);
    this.journal.push(record);
    for (const effect of effects) {
      this.effects.push(effect);
      this.times.push(this.#nowMs);
      const input_ = this.#answer(effect);
      if (input_ !== undefined) this.#inputs.push(input_);
    }
  }

  run(): void {
    const max = this.#script.stopAfter ?? stepsMax;
    for (let steps = 0; steps < max; steps++) {
      const input = this.#inputs.shift();
      if (input !== undefined) {
        this.give(input);
        continue;
      }
      const deadline = this.machine.deadline();
      if (deadline === undefined) return;
      this.#nowMs = Math.max(this.#nowMs, deadline);
      this.give({ type: "tick" });
    }
    assert.ok(this.#script.stopAfter !== undefined, "the session does not come to rest");
  }

  #answer(effect: SessionEffect): SessionInput | undefined {
    switch (effect.type) {
      case "open":
        return {
          type: "opened",
          call: effect.call,
          policyHash: bytes(32, 1),
          model: {
            id: "test/one",
            contextTokens: this.#script.contextTokens ?? 32_768,
            inputMicrousd: 1_000_000,
            outputMicrousd: 2_000_000,
          },
          roots: [{ name: "scope", path: "/w", write: true }],
        };
      case "ask-agent":
        return { type: "step", call: effect.call, step: this.#step(effect) };
      case "prepare": {
        const { target, args, call: number } = effect;
        const action = schema.encode(actionSchema, { version: 1, target, args, facts: {} });
        return {
          type: "prepared",
          call: number,
          action,
          actionId: sha256(action),
          nonce: bytes(16, 1),
          prepared: utf8Encode("prepared"),
          preparedSignature: bytes(64, 2),
        };
      }
      case "propose": {
        this.#counter += 1n;
        const { target, args } = this.machine.state.current as { target: string; args: Args };
        const judge = this.#script.verdict ?? (() => allowed(this.#counter));
        const verdict = isModelCall({ target })
          ? allowed(this.#counter)
          : judge(target, args, this.#counter);
        return { type: "verdict", call: effect.call, verdict };
      }
      case "act":
        return this.#act(effect);
      case "report":
        return {
          type: "reported",
          call: effect.call,
          receipt: { index: 1n, leafHash: bytes(32, 3) },
        };
      case "close":
        return { type: "closed", call: effect.call };
      case "kill":
        return { type: "killed", call: effect.call };
      default:
        return undefined;
    }
  }

  #step(effect: Extract<SessionEffect, { readonly type: "ask-agent" }>) {
    this.#turns[effect.turn] = { observation: effect.observation, messages: effect.messages };
    if (this.#script.forgetful === true) this.#agent = this.#newAgent();
    const turns = this.#turns.slice(0, effect.turn + 1);
    const step = this.#agent.step(
      turns,
      lookAt(this.machine.state, (stretch) => this.#kept(stretch)),
    );
    assert.ok(step.type !== "read", "everything is at hand");
    return step;
  }

  #kept(stretch: Stretch): KeptBytes | "none" | undefined {
    const { n, offset, length } = stretch;
    const long = this.#long.get(n);
    if (long === undefined)
      return this.#script.kept === undefined ? "none" : this.#script.kept(stretch);
    return { bytes: long.subarray(offset, offset + length), total: long.length };
  }

  #act(effect: Extract<SessionEffect, { readonly type: "act" }>): SessionInput {
    const { target, counter } = effect;
    const { args } = this.machine.state.current as { args: Args };
    const outcome = {
      type: "outcome",
      call: effect.call,
      counter,
      status: "confirmed",
      bytes: 3,
      resultHash: bytes(32, 3),
      reversible: false,
      evidence: {},
      changed: [],
      outcome: utf8Encode("outcome"),
      outcomeSignature: bytes(64, 4),
    } as const;
    if (!isModelCall({ target })) {
      return { ...outcome, content: "hi\n", ...this.#script.act?.(target, args) };
    }
    const prompt = JSON.parse(utf8Decode(effect.content ?? bytes(0, 0)) ?? "") as Prompt;
    this.prompts.push(prompt);
    const answer = this.#script.model(prompt, this.prompts.length - 1);
    const evidence = { tokens_in: "1000", tokens_out: "100", microusd: "1200" };
    if (typeof answer === "string" && answer.length > outcomeContentBytesMax) {
      this.#long.set(effect.n, utf8Encode(answer));
      return { ...outcome, evidence, handle: `contents/s-1/${effect.n}` };
    }
    if (typeof answer === "string") return { ...outcome, evidence, content: answer };
    return { ...outcome, evidence, ...answer };
  }
}

export const modelled = (script: ModelScript): Modelled => {
  const session = new Session(script);
  session.run();
  return session;
};

export const denial: Verdict = refused;
export const idOf = (action: { readonly prepared?: { readonly actionId: Uint8Array } }): string =>
  toHex(action.prepared?.actionId ?? bytes(0, 0));
export const now = wallMs;
