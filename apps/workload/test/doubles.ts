/** Doubles of the other ends: a gate that judges by a function, drivers on a world in memory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { RunView } from "@ioi/agent";
import { assert, OperationError, toHex, utf8Encode } from "@ioi/base";
import { actionId } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { createLog, openFiles, openKeyValue } from "@ioi/host/ports";
import { MessageQueue } from "@ioi/host/rpc";
import {
  action as actionSchema,
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
  outcome as outcomeSchema,
  prepared as preparedSchema,
  schema,
} from "@ioi/wire";
import type {
  ActEnd,
  AgentLink,
  Driver,
  DriverKind,
  Drivers,
  Gate,
  PersonDecision,
  PreparedAction,
  PreviewInput,
  ProposalInput,
  ProposalVerdict,
  RegisteredModel,
  ReportInput,
  SessionClock,
} from "../src/ends.ts";
import { noMetrics } from "../src/metrics.ts";
import { Sessions, type StartInput } from "../src/sessions.ts";
import { Journals, KeptContents, SessionIndex } from "../src/store.ts";

export const quiet = createLog({ level: "error", write: () => undefined });

type Args = { readonly [name: string]: CanonicalValue };

const pathOf = ({ path: given }: Args): string => (typeof given === "string" ? given : "");

const never = (signal?: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });

/** What outlives the processes: receipts, effects, the person. */
export class World {
  readonly files: Map<string, string> = new Map([["/w/a.txt", "hi\n"]]);
  /** Counters whose effect happened. */
  readonly effects: bigint[] = [];
  readonly reports: ReportInput[] = [];
  readonly closed: string[] = [];
  readonly kills: string[] = [];
  readonly proposals: ProposalInput[] = [];
  readonly approved: Set<string> = new Set();
  models: readonly RegisteredModel[] = [];
  /** What the model answers to a prompt. */
  model: (prompt: string) => Promise<string> = async () => "";
  /** Pieces that an act writes before it ends. */
  output: readonly Uint8Array[] = [utf8Encode("out\n")];
  /** Starts the program of an agent. */
  program: ((session: string) => Promise<AgentLink>) | undefined;
  /** What the Guardian was shown of actions that ask. */
  readonly previews: PreviewInput[] = [];
  previewFails: OperationError | undefined;
  /** Tickets that a driver was given. */
  acts = 0;
  readonly #waiting: Set<() => void> = new Set();
  counter = 0n;
  /** Where the workload's process hangs, as if it were killed there. */
  hangs: "nowhere" | "before effect" | "after effect" | "in report" = "nowhere";
  settles: "truth" | "unknown" = "truth";
  verdict: (target: string) => "allow" | "ask" | "deny" = () => "allow";

  /** Something happened: whoever waits looks again. */
  touch(): void {
    for (const look of this.#waiting) look();
  }

  async until(holds: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }
}

const reply = (verdict: ProposalVerdict["verdict"], counter: bigint): ProposalVerdict => ({
  verdict,
  ticket: verdict === "allow" ? utf8Encode(`ticket ${counter}`) : new Uint8Array(0),
  counter,
  ttlMs: 30_000,
  approval: verdict === "ask" ? `a-${counter}` : "",
  rules: ["rule-1"],
  asks: [],
  reason: verdict === "allow" ? "" : "because",
  instead: verdict === "deny" ? "paths below /w" : "",
  display: `action ${counter}`,
  receipt: { index: counter * 2n, leafHash: new Uint8Array(32).fill(7) },
  decideUs: 10,
  syncUs: 500,
  signUs: 40,
});

export class GateDouble implements Gate {
  readonly #world: World;
  readonly people: MessageQueue<PersonDecision> = new MessageQueue();

  constructor(world: World) {
    this.#world = world;
  }

  async openSession(): ReturnType<Gate["openSession"]> {
    return {
      policyHash: new Uint8Array(32),
      profiles: new Map<DriverKind, Uint8Array>([
        ["files", utf8Encode("files")],
        ["exec", utf8Encode("exec")],
        ["model", utf8Encode("model")],
        ["agent", utf8Encode("agent")],
      ]),
      roots: [{ name: "scope", path: "/w", access: "write" }],
      models: this.#world.models,
    };
  }

  async propose(proposal: ProposalInput): Promise<ProposalVerdict> {
    const world = this.#world;
    world.proposals.push(proposal);
    world.touch();
    world.counter += 1n;
    const action = schema.decode(actionSchema, proposal.action);
    if (!action.ok) throw new OperationError("E_PROPOSAL_INVALID", "no action");
    const asked = world.verdict(action.value.target);
    const granted = asked === "ask" && world.approved.has(proposal.session);
    return reply(granted ? "allow" : asked, world.counter);
  }

  async preview(preview: PreviewInput): Promise<void> {
    this.#world.previews.push(preview);
    this.#world.touch();
  }

  async report(report: ReportInput, signal: AbortSignal): ReturnType<Gate["report"]> {
    if (this.#world.reports.some(({ counter }) => counter === report.counter)) {
      throw new OperationError("E_OUTCOME_INVALID", "no ticket waits for an outcome");
    }
    this.#world.reports.push(report);
    this.#world.touch();
    if (this.#world.hangs === "in report") return await never(signal);
    return { index: report.counter * 2n + 1n, leafHash: new Uint8Array(32).fill(8) };
  }

  async closeSession(session: string, state: string): Promise<void> {
    this.#world.closed.push(`${session} ${state}`);
    this.#world.touch();
  }

  async *decisions(signal: AbortSignal): AsyncGenerator<PersonDecision, void, undefined> {
    signal.addEventListener("abort", () => this.people.finish());
    yield* this.people;
  }
}

class DriverDouble implements Driver {
  readonly #world: World;
  readonly #session: string;
  readonly #prepared: Map<string, { target: string; args: Args; id: Uint8Array }> = new Map();
  #nonce = 0;

  constructor(world: World, session: string) {
    this.#world = world;
    this.#session = session;
  }

  async prepare(target: string, encoded: Uint8Array): Promise<PreparedAction> {
    const decoded = decodeCanonical(encoded);
    const args = (decoded.ok ? decoded.value : {}) as Args;
    const file = pathOf(args);
    if (target === "fs::read" && !this.#world.files.has(file)) {
      throw new OperationError("E_FS_NOT_FOUND", `${file} does not exist`);
    }
    const action = schema.encode(actionSchema, { version: 1, target, args, facts: {} });
    const nonce = new Uint8Array(16).fill((this.#nonce += 1));
    const id = actionId(nodeCrypto, action);
    this.#prepared.set(toHex(nonce), { target, args, id });
    const prepared = schema.encode(preparedSchema, {
      version: 1,
      instanceId: new Uint8Array(16),
      nonce,
      session: this.#session,
      actionId: id,
    });
    return { action, prepared, preparedSignature: new Uint8Array(64) };
  }

  async preview(
    nonce: Uint8Array,
    content: Uint8Array,
  ): Promise<Pick<PreviewInput, "statement" | "signature" | "text">> {
    const waiting = this.#prepared.get(toHex(nonce));
    if (waiting === undefined) throw new OperationError("E_TICKET_MISSING", "no nonce");
    if (this.#world.previewFails !== undefined) throw this.#world.previewFails;
    const text = `${waiting.target} ${new TextDecoder().decode(content)}`;
    return { statement: nonce, signature: waiting.id, text };
  }

  async refuse(): Promise<void> {}

  async input(): Promise<void> {}

  async act(
    nonce: Uint8Array,
    _ticket: Uint8Array,
    content: Uint8Array,
    signal: AbortSignal,
    onOutput?: (bytes: Uint8Array, stream: "output" | "errors") => void,
  ): Promise<ActEnd> {
    const world = this.#world;
    const waiting = this.#prepared.get(toHex(nonce));
    if (waiting === undefined) throw new OperationError("E_TICKET_MISSING", "no nonce");
    this.#prepared.delete(toHex(nonce));
    const { counter } = world;
    world.acts += 1;
    world.touch();
    if (world.hangs === "before effect") return await never(signal);
    const { target, args, id } = waiting;
    const result =
      target === "model::infer"
        ? { content: utf8Encode(await world.model(new TextDecoder().decode(content))) }
        : this.#effect(target, args, content, counter);
    world.touch();
    if (world.hangs === "after effect") return await never(signal);
    const outcome = schema.encode(outcomeSchema, {
      version: 1,
      counter,
      actionId: id,
      instanceId: new Uint8Array(16),
      status: "confirmed",
      resultHash: new Uint8Array(32),
      bytes: content.length,
      reversible: target !== "fs::restore",
      evidence: target === "sys::exec" ? { exitCode: "0", filesChanged: "1" } : {},
    });
    const writes = target === "sys::exec" || target === "model::infer";
    const output = writes ? world.output : [];
    for (const piece of output) onOutput?.(piece, "output");
    return {
      outcome,
      outcomeSignature: new Uint8Array(64),
      result: encodeCanonical(result),
      message: "",
      output,
    };
  }

  #effect(target: string, args: Args, content: Uint8Array, counter: bigint): Args {
    const path = pathOf(args);
    const { files, effects } = this.#world;
    if (target === "fs::read") return { content: utf8Encode(files.get(path) ?? "") };
    effects.push(counter);
    if (target === "fs::write") files.set(path, new TextDecoder().decode(content));
    if (target === "fs::restore") files.delete(String((args["paths"] as readonly string[])[0]));
    return target === "sys::exec" ? { changed: ["/w/made.txt"] } : {};
  }

  async abort(): Promise<void> {}

  async settle(counter: bigint): Promise<{ status: string; reversible: boolean }> {
    if (this.#world.settles === "unknown") return { status: "unknown", reversible: false };
    const happened = this.#world.effects.includes(counter);
    return { status: happened ? "confirmed" : "no-effect", reversible: happened };
  }
}

export class DriversDouble implements Drivers {
  readonly #world: World;
  readonly #drivers: Map<string, Driver> = new Map();

  constructor(world: World) {
    this.#world = world;
  }

  async of(session: string, kind: DriverKind): Promise<Driver> {
    const key = `${session} ${kind}`;
    const driver = this.#drivers.get(key) ?? new DriverDouble(this.#world, session);
    this.#drivers.set(key, driver);
    return driver;
  }

  async program(session: string): Promise<AgentLink> {
    const start = this.#world.program;
    if (start === undefined) throw new OperationError("E_PROFILE_MISSING", "no program");
    return await start(session);
  }

  running(session: string, kind: DriverKind): Driver | undefined {
    return this.#drivers.get(`${session} ${kind}`);
  }

  async kill(session: string): Promise<void> {
    this.#world.kills.push(session);
  }

  release(session: string): void {
    for (const kind of ["files", "exec", "model"]) this.#drivers.delete(`${session} ${kind}`);
  }
}

/** A folder of the workload that is gone at the end of its test. */
export const temporaryFolder = (): { readonly path: string } & Disposable => {
  const folder = mkdtempSync(path.join(tmpdir(), "ioi-workload-"));
  return {
    path: folder,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
};

/** A workload on a folder, with its doubles; `await using` drains it. */
export interface Booted extends AsyncDisposable {
  readonly sessions: Sessions;
  readonly gate: GateDouble;
  /** Follows a session to where it rests and gives the last view. */
  run(input: Partial<StartInput> & { readonly text: string }): Promise<Viewed>;
  view(session: string): Promise<Viewed>;
}

export interface Viewed {
  readonly state: string;
  readonly rests: boolean;
  readonly view: RunView;
}

const clock = (): SessionClock => {
  let now = 1_700_000_000_000;
  return { nowMs: () => (now += 1), nowUs: () => now * 1000 };
};

export const boot = async (
  folder: string,
  world: World,
  bounds: { readonly contentsBytesMax?: number } = {},
): Promise<Booted> => {
  const files = openFiles(folder);
  for (const name of ["journals", "contents"]) {
    if ((await files.stat(name)) === undefined) await files.makeDirectory(name);
  }
  const store = await openKeyValue(path.join(folder, "index"));
  const gate = new GateDouble(world);
  const drivers = new DriversDouble(world);
  const sessions = new Sessions({
    ends: { gate, drivers, clock: clock(), home: "/home/me", log: quiet, metrics: noMetrics },
    gate,
    journals: new Journals(files),
    contents: new KeptContents(files, bounds.contentsBytesMax),
    index: new SessionIndex(store),
    log: quiet,
  });
  await sessions.recover();
  const last = async (updates: AsyncIterable<{ state: string; json: string; rests: boolean }>) => {
    let seen: Viewed | undefined;
    for await (const { state, json, rests } of updates) {
      seen = { state, rests, view: JSON.parse(json) as RunView };
    }
    assert(seen !== undefined, "a session without an update");
    return seen;
  };
  const { signal } = new AbortController();
  return {
    sessions,
    gate,
    run: async (input) => {
      const start: StartInput = { session: "s-1", workspace: "/w", onAsk: "pend", ...input };
      return await last((await sessions.start(start)).follow(signal));
    },
    view: async (session) => await last((await sessions.follow(session)).follow(signal)),
    [Symbol.asyncDispose]: async () => {
      await sessions.drain();
      await store[Symbol.asyncDispose]();
    },
  };
};
