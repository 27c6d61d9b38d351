/**
 * A scripted world for one session, from a seed: gate, drivers, person and crashes, as the other
 * end of the session machine. Tests and the replay suite make journals with it.
 *
 * It keeps the truth that a real machine would hold (which ticket had its effect) and says at the
 * end what went wrong: an act without a permit, a ticket used twice, an effect that happened twice.
 * Bounds: `scriptedStepsMax` inputs.
 */
import { assert, utf8Decode, utf8Encode } from "@ioi/base";
import { action as actionSchema, schema } from "@ioi/wire";
import type { Agent, Turn } from "./agent.ts";
import { commandAgent } from "./command-agent.ts";
import { encodeHeader, type Hash, journalStep, replayJournal } from "./journal.ts";
import { lookAt } from "./look.ts";
import { modelAgent } from "./model/model-agent.ts";
import { SessionMachine } from "./session/machine.ts";
import type { SessionSnapshot } from "./session/state.ts";
import {
  type AgentStep,
  encodeEffects,
  type Goal,
  type OnAsk,
  type SessionEffect,
  type SessionInput,
  type SessionModel,
  type Verdict,
} from "./session/messages.ts";
import { inferTarget, toolOf } from "./tools.ts";

/** Inputs of one scripted session. */
export const scriptedStepsMax = 2000;

export interface Script {
  /** An integer in [0, bound), from the seed. */
  readonly next: (bound: number) => number;
  readonly hash: Hash;
  readonly session: string;
  readonly goal: Goal;
  readonly onAsk: OnAsk;
  /** In thousandths, for every input: the process is killed, the person stops the session. */
  readonly crashes: number;
  readonly stops: number;
  /** Of a model's session: what the model answers to a prompt; absent: something from the seed. */
  readonly model?: (prompt: string) => string;
  /** The control: after a crash perform the last effects once more, as a careless runner would. */
  readonly careless?: boolean;
}

export interface ScriptedRun {
  readonly journal: readonly Uint8Array[];
  /** The canonical encoding of the effects of each record but the header, as they were caused. */
  readonly effects: readonly Uint8Array[];
  readonly machine: SessionMachine;
  readonly violations: readonly string[];
  readonly crashes: number;
  readonly performed: number;
  readonly asks: number;
  readonly denials: number;
}

type Of<T extends SessionEffect["type"]> = Extract<SessionEffect, { readonly type: T }>;

const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

/** The world outside the session's process: it survives crashes. */
class World {
  readonly script: Script;
  readonly violations: string[] = [];
  /** Tickets minted, and whether their driver was told to act and did. */
  readonly #tickets = new Map<bigint, { n: number; used: boolean; happened: boolean }>();
  readonly #granted = new Set<number>();
  readonly #approvals = new Map<string, { n: number; answer: "approve" | "deny" | "never" }>();
  #counter = 0n;
  #index = 0n;
  asks = 0;
  denials = 0;

  constructor(script: Script) {
    this.script = script;
  }

  get performed(): number {
    return [...this.#tickets.values()].filter((each) => each.happened).length;
  }

  chance(thousandths: number): boolean {
    return this.script.next(1000) < thousandths;
  }

  receipt(): { index: bigint; leafHash: Uint8Array } {
    this.#index += 1n;
    return { index: this.#index, leafHash: filled(32, Number(this.#index % 256n)) };
  }

  verdict(effect: Of<"propose">): Verdict {
    const judged = {
      rules: ["scripted"],
      asks: [],
      reason: "scripted",
      instead: "",
      display: `action ${effect.n}`,
      receipt: this.receipt(),
      timing: { gateUs: 900, prepareUs: 300, proposeUs: 600, decideUs: 9, syncUs: 400, signUs: 40 },
    };
    if (this.chance(60)) {
      this.denials += 1;
      return { type: "deny", ...judged, instead: "read inside the workspace" };
    }
    if (!this.#granted.has(effect.n) && this.chance(150)) {
      this.asks += 1;
      const approval = `ap-${effect.n}-${this.asks}`;
      const answer = (["approve", "approve", "deny", "never"] as const)[this.script.next(4)];
      this.#approvals.set(approval, { n: effect.n, answer: answer ?? "deny" });
      return { type: "ask", ...judged, approval };
    }
    if (this.chance(10))
      return { type: "unavailable", code: "E_TARGET_UNAVAILABLE", message: "no" };
    this.#counter += 1n;
    this.#tickets.set(this.#counter, { n: effect.n, used: false, happened: false });
    const ticket = utf8Encode(`ticket ${this.#counter}`);
    return { type: "allow", ...judged, counter: this.#counter, ttlMs: 5000, ticket };
  }

  /** The driver's part; returns whether the effect happened. */
  act(effect: Of<"act">, happens: boolean): void {
    const ticket = this.#tickets.get(effect.counter);
    if (ticket === undefined) {
      this.violations.push(`act with the unknown counter ${effect.counter}`);
      return;
    }
    if (ticket.used) this.violations.push(`ticket ${effect.counter} used twice`);
    if (ticket.n !== effect.n) this.violations.push(`ticket ${effect.counter} for another action`);
    ticket.used = true;
    ticket.happened = happens;
    const { risk = "read" } = toolOf(effect.target) ?? {};
    // What changes nothing may be done again.
    if (!happens || risk === "read" || risk === "model") return;
    const twice = [...this.#tickets.values()].filter(
      (each) => each.n === ticket.n && each.happened,
    );
    if (twice.length > 1) this.violations.push(`action ${ticket.n} happened twice`);
  }

  happened(counter: bigint): boolean {
    return this.#tickets.get(counter)?.happened ?? false;
  }

  answer(approval: string): "approve" | "deny" | "never" {
    const known = this.#approvals.get(approval);
    if (known === undefined) return "never";
    if (known.answer === "approve") this.#granted.add(known.n);
    return known.answer;
  }
}

/** What a scripted session asks. */
const scriptedModel: SessionModel = {
  id: "scripted/one",
  contextTokens: 32_768,
  inputMicrousd: 1_000_000,
  outputMicrousd: 5_000_000,
};
const roots = [{ name: "scope", path: "/w", write: true }];

/** A model that does something sensible most of the time. */
const replyFromSeed = (next: (bound: number) => number): string => {
  const call = (at: number): object => {
    const path = `f${next(3)}`;
    const [name, given] = (
      [
        ["fs_read", JSON.stringify({ path })],
        ["fs_write", JSON.stringify({ path, create: "any", content: `text ${next(9)}` })],
        ["fs_list", JSON.stringify({ path: "." })],
        ["fs_raed", JSON.stringify({ path })],
        ["fs_read", "{not json"],
        ["content_read", JSON.stringify({ action: 1 + next(4), offset: 0 })],
      ] as const
    )[next(6)] ?? ["fs_list", "{}"];
    return { id: `c-${at}`, name, arguments: given };
  };
  const roll = next(12);
  if (roll === 0) return "rubbish";
  const text = roll < 6 ? `thought ${next(99)}` : "";
  const calls = roll === 1 ? [] : Array.from({ length: 1 + next(3) }, (_, at) => call(at));
  const finish = calls.length === 0 ? "stop" : "calls";
  return JSON.stringify({ text, calls, finish, usage: { input: 100, output: 20, cached: 0 } });
};

interface Due {
  readonly atMs: number;
  readonly input: SessionInput;
}

/** One process that drives the session; a crash ends it and all that it waited for. */
class Process {
  readonly #world: World;
  readonly #turns: Turn[] = [];
  readonly #model: Agent;
  readonly #state: () => SessionSnapshot;
  due: Due[] = [];

  constructor(world: World, state: () => SessionSnapshot) {
    this.#world = world;
    this.#state = state;
    this.#model = modelAgent({ ...world.script.goal, kind: "model" });
  }

  /** What the agent was told, from the effects of a replay. */
  remember(effects: readonly SessionEffect[]): void {
    for (const each of effects) {
      if (each.type !== "ask-agent") continue;
      this.#turns[each.turn] = { observation: each.observation, messages: each.messages };
    }
  }

  #reply(atMs: number, input: SessionInput): void {
    this.due.push({ atMs: atMs + 1 + this.#world.script.next(20), input });
  }

  #fail(atMs: number, call: number, code: string, retryable: boolean): void {
    this.#reply(atMs, { type: "call-failed", call, code, message: "scripted failure", retryable });
  }

  perform(effect: SessionEffect, atMs: number): void {
    const world = this.#world;
    if ("call" in effect && effect.type !== "act" && world.chance(15)) {
      this.#fail(atMs, effect.call, "E_GATE_UNAVAILABLE", world.chance(800));
      return;
    }
    switch (effect.type) {
      case "open":
        return this.#reply(atMs, {
          type: "opened",
          call: effect.call,
          policyHash: filled(32, 1),
          ...(world.script.goal.kind === "model" ? { model: scriptedModel, roots } : {}),
        });
      case "ask-agent":
        this.remember([effect]);
        return this.#reply(atMs, { type: "step", call: effect.call, step: this.#agent(effect) });
      case "prepare":
        return this.#prepare(effect, atMs);
      case "propose":
        return this.#reply(atMs, {
          type: "verdict",
          call: effect.call,
          verdict: world.verdict(effect),
        });
      case "act":
        return this.#act(effect, atMs);
      case "settle": {
        const status = world.happened(effect.counter) ? "confirmed" : "no-effect";
        return this.#reply(atMs, {
          type: "settled",
          call: effect.call,
          status: world.chance(200) ? "unknown" : status,
          reversible: true,
        });
      }
      case "report":
        return this.#reply(atMs, { type: "reported", call: effect.call, receipt: world.receipt() });
      case "ask-human":
        return this.#person(effect, atMs);
      case "kill":
        return this.#reply(atMs, { type: "killed", call: effect.call });
      case "close":
        return this.#reply(atMs, { type: "closed", call: effect.call });
      case "abort":
      case "publish":
      case "finish":
        return;
    }
  }

  #agent(effect: Of<"ask-agent">): AgentStep {
    const { goal, next } = this.#world.script;
    if (goal.kind === "model") {
      const reply = this.#model.step(this.#turns.slice(0, effect.turn + 1), lookAt(this.#state()));
      assert(reply.type !== "read", "what stands in place is at hand");
      return reply;
    }
    if (goal.kind === "planner" || goal.kind === "undo") {
      return commandAgent(goal).step(this.#turns.slice(0, effect.turn + 1));
    }
    const roll = next(10);
    if (roll === 0) return { type: "say", text: `turn ${effect.turn}` };
    if (roll === 1) return { type: "propose", target: "fs::read", args: { wrong: 1 } };
    if (roll === 2 && effect.turn > 4) return { type: "finish", status: "done" };
    if (roll < 6) return { type: "propose", target: "fs::read", args: { path: `f${next(3)}` } };
    const content = utf8Encode(`turn ${effect.turn}`);
    const args = { path: `f${next(3)}`, create: "any" };
    return { type: "propose", target: "fs::write", args, content };
  }

  #prepare(effect: Of<"prepare">, atMs: number): void {
    if (this.#world.chance(20)) {
      this.#fail(atMs, effect.call, "E_FILES_NOT_FOUND", false);
      return;
    }
    const { target, args } = effect;
    const action = schema.encode(actionSchema, { version: 1, target, args, facts: {} });
    const nonce = Uint8Array.from({ length: 16 }, () => this.#world.script.next(256));
    this.#reply(atMs, {
      type: "prepared",
      call: effect.call,
      action,
      actionId: this.#world.script.hash(action),
      nonce,
      prepared: utf8Encode("prepared"),
      preparedSignature: filled(64, 2),
    });
  }

  #act(effect: Of<"act">, atMs: number): void {
    const chance = (thousandths: number): boolean => this.#world.chance(thousandths);
    const happens = chance(920);
    this.#world.act(effect, happens);
    if (chance(30)) {
      this.#fail(atMs, effect.call, "E_DRIVER_UNAVAILABLE", true);
      return;
    }
    if (effect.target === inferTarget) {
      this.#infer(effect, atMs);
      return;
    }
    const doubtful = happens ? "unknown" : "refused";
    this.#reply(atMs, {
      type: "outcome",
      call: effect.call,
      counter: effect.counter,
      status: chance(30) ? doubtful : happens ? "confirmed" : "no-effect",
      bytes: 3,
      resultHash: filled(32, 3),
      reversible: toolOf(effect.target)?.reversible ?? false,
      evidence: effect.target === "sys::exec" ? { exitCode: chance(100) ? "1" : "0" } : {},
      changed: [],
      content: "hi\n",
      outcome: utf8Encode("outcome"),
      outcomeSignature: filled(64, 4),
    });
  }

  #infer(effect: Of<"act">, atMs: number): void {
    const { script } = this.#world;
    const busy = script.model === undefined && this.#world.chance(40);
    const prompt = utf8Decode(effect.content ?? filled(0, 0)) ?? "";
    const content = script.model?.(prompt) ?? replyFromSeed(script.next);
    this.#reply(atMs, {
      type: "outcome",
      call: effect.call,
      counter: effect.counter,
      status: busy ? "no-effect" : "confirmed",
      bytes: content.length,
      resultHash: filled(32, 4),
      reversible: false,
      evidence: busy
        ? { retryable: "yes", retry_after_ms: "50" }
        : { tokens_in: "100", tokens_out: "20", microusd: "300" },
      changed: [],
      ...(busy ? { code: "E_MODEL_BUSY", message: "429" } : { content }),
      outcome: utf8Encode("outcome"),
      outcomeSignature: filled(64, 4),
    });
  }

  #person(effect: Of<"ask-human">, atMs: number): void {
    if (effect.about === "outcome") {
      // The person looks and tells the truth; which counter it was stands in the machine.
      this.#reply(atMs + 5000, { type: "resolve", resolution: "happened" });
      return;
    }
    if (effect.about === "budget") {
      this.#reply(atMs + 5000, { type: "stop", reason: "budget" });
      return;
    }
    const answer = this.#world.answer(effect.approval ?? "");
    if (answer === "never") return;
    const approval = effect.approval ?? "";
    this.#reply(atMs + 3000, {
      type: "decision",
      approval,
      approved: answer === "approve",
      reason: "scripted",
    });
  }
}

class ScriptedSession {
  readonly #script: Script;
  readonly #world: World;
  readonly #journal: Uint8Array[];
  readonly #effects: Uint8Array[] = [];
  #machine = new SessionMachine();
  #process: Process;
  #nowMs = 1_700_000_000_000;
  #crashes = 0;

  constructor(script: Script) {
    this.#script = script;
    this.#world = new World(script);
    this.#process = new Process(this.#world, () => this.#machine.state);
    this.#journal = [encodeHeader(script.session)];
  }

  #give(input: SessionInput): void {
    const { effects, record } = journalStep(this.#machine, input, this.#nowMs, this.#script.hash);
    this.#journal.push(record);
    this.#effects.push(encodeEffects(effects));
    if (this.#world.chance(this.#script.crashes)) {
      this.#crash();
      return;
    }
    for (const effect of effects) {
      this.#process.perform(effect, this.#nowMs);
      if (this.#world.chance(this.#script.crashes)) {
        this.#crash();
        return;
      }
    }
    const deadline = this.#machine.deadline();
    if (deadline !== undefined) this.#process.due.push({ atMs: deadline, input: { type: "tick" } });
  }

  #crash(): void {
    this.#crashes += 1;
    this.#nowMs += 200 + this.#script.next(2000);
    const process = new Process(this.#world, () => this.#machine.state);
    let last: readonly SessionEffect[] = [];
    const replayed = replayJournal(this.#journal, this.#script.hash, (step) => {
      last = step.effects;
      process.remember(step.effects);
    });
    assert(replayed.ok, "a journal does not replay after a crash");
    this.#machine = replayed.value.machine;
    this.#process = process;
    if (this.#script.careless === true) {
      for (const effect of last) if (effect.type === "act") process.perform(effect, this.#nowMs);
    }
    process.due.push({ atMs: this.#nowMs, input: { type: "restart" } });
  }

  /** A person tells the truth about an effect of which nobody else knows. */
  #truthful(input: SessionInput): SessionInput {
    const counter = this.#machine.state.current?.ticket?.counter;
    if (input.type !== "resolve" || counter === undefined) return input;
    const resolution = this.#world.happened(counter) ? "happened" : "did-not-happen";
    return { type: "resolve", resolution };
  }

  run(): ScriptedRun {
    const { session, goal, onAsk } = this.#script;
    this.#give({ type: "start", session, workspace: "/w", onAsk, agent: goal.kind, goal });
    for (let steps = 0; steps < scriptedStepsMax; steps++) {
      const due = this.#process.due;
      due.sort((a, b) => a.atMs - b.atMs);
      const first = due.shift();
      if (first === undefined || this.#machine.state.stage === "ended") break;
      this.#nowMs = Math.max(this.#nowMs, first.atMs);
      if (this.#world.chance(this.#script.stops)) {
        due.push(first);
        this.#give({ type: "stop", reason: "scripted" });
      } else this.#give(this.#truthful(first.input));
    }
    return {
      journal: this.#journal,
      effects: this.#effects,
      machine: this.#machine,
      violations: this.#world.violations,
      crashes: this.#crashes,
      performed: this.#world.performed,
      asks: this.#world.asks,
      denials: this.#world.denials,
    };
  }
}

/** One session from its start until it rests, ends or the script does. */
export const runScripted = (script: Script): ScriptedRun => new ScriptedSession(script).run();
