/**
 * What a session asks of others: the gate, the drivers, the launcher. Every answer is the input that
 * the session waits for; a failure of the world is thrown as an `OperationError`.
 */
import {
  callTarget,
  embedTarget,
  inferTarget,
  outcomeContentBytesMax,
  sessionContentBytesMax,
  type SessionEffect,
  type SessionInput,
  type SessionSnapshot,
  toolOf,
  toRemember,
  type Verdict,
} from "@ioi/agent";
import {
  assert,
  equalBytes,
  fromHex,
  type Log,
  OperationError,
  toHex,
  utf8Decode,
} from "@ioi/base";
import { actionId, domainHash, domains } from "@ioi/crypto";
import { isTyped } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { encodeCanonical, prepared as preparedSchema, previewTargets, schema } from "@ioi/wire";
import { canonicalArguments } from "./arguments.ts";
import type {
  ActWant,
  AgentLink,
  Contents,
  Driver,
  DriverKind,
  Drivers,
  Gate,
  OpenedSession,
  PersonDecision,
  PreparedAction,
  RegisteredModel,
  SessionClock,
} from "./ends.ts";
import type { SessionMetrics } from "./metrics.ts";
import { BesideActions } from "./beside.ts";
import { embeddingOf, type MemoryVectorEnds } from "./memory-vectors.ts";
import { type ReadEnd, readActEnd } from "./outcomes.ts";
import { showPreview } from "./preview.ts";
import { modelFor, modelOf } from "./session-model.ts";
import { definitionOf, serversPart } from "./server-tools.ts";

export interface CallEnds {
  readonly gate: Gate;
  readonly drivers: Drivers;
  readonly contents: Contents;
  readonly clock: SessionClock;
  /** Absolute path behind `~`. */
  readonly home: string;
  readonly metrics: SessionMetrics;
}

type Of<T extends SessionEffect["type"]> = Extract<SessionEffect, { readonly type: T }>;

/** When an action's proposal began and went on, in microseconds. */
interface Stopwatch {
  readonly fromUs: number;
  readonly preparedUs: number;
}

/** What an action writes while it runs. */
export interface ActionOutput {
  readonly action: number;
  readonly text: string;
  /** Of the error output, where the two are told apart. */
  readonly stream?: "errors";
}

const rememberTarget = "memory::remember";
const shareTarget = "memory::share";

/** Whose key a text is; of one that is none, nobody's. */
const agentOf = (content: Uint8Array | undefined): string => {
  const key = fromHex((utf8Decode(content ?? noContent) ?? "").trim());
  return key === undefined ? "" : toHex(domainHash(nodeCrypto, domains.scsShare, key));
};

const noContent = new Uint8Array(0);

export class SessionCalls {
  readonly #ends: CallEnds;
  readonly #state: SessionSnapshot;
  readonly #log: Log;
  readonly #onOutput: (output: ActionOutput) => void;
  #opened: OpenedSession | undefined;
  #model: RegisteredModel | undefined;
  /** What was opened is not what the session may reach now. */
  #stale = false;
  #watch: Stopwatch = { fromUs: 0, preparedUs: 0 };
  /** What programs ask for while they run. */
  readonly #beside: BesideActions;
  /** Servers that are about to end with their driver. */
  #releasing: Promise<void> = Promise.resolve();
  /** An effect that is asked to end. */
  #aborting: Promise<void> = Promise.resolve();
  /** Of the last act, for its report: its ticket, where values come from, what its program sent. */
  #beyond: ({ readonly counter: bigint } & Pick<ReadEnd, "origins" | "requests">) | undefined;

  /** `state` is the machine's own: it is always the present one. */
  constructor(
    ends: CallEnds,
    state: SessionSnapshot,
    log: Log,
    onOutput: (output: ActionOutput) => void = () => undefined,
    give: (input: SessionInput) => Promise<void> = async () => undefined,
  ) {
    this.#beside = new BesideActions({ gate: ends.gate, log, give }, state);
    this.#ends = ends;
    this.#onOutput = onOutput;
    this.#state = state;
    this.#log = log;
  }

  async open(effect: Of<"open">, signal: AbortSignal): Promise<SessionInput> {
    const opened = await this.#ends.gate.openSession(this.#state.session, signal);
    this.#stale = false;
    const model = modelFor(this.#state, opened.models);
    this.#opened = opened;
    this.#model = model;
    await this.#beside.recover(signal);
    const { kind } = this.#state.goal;
    const { policyHash, roots } = opened;
    const plain = { type: "opened", call: effect.call, policyHash } as const;
    if (kind === "planner" || kind === "undo") return plain;
    return {
      ...plain,
      ...(model === undefined ? {} : { model: modelOf(model) }),
      roots: roots.map(({ name, path, access }) => ({ name, path, write: access === "write" })),
      ...serversPart(opened.mcpServers ?? []),
    };
  }

  /** A person's answer to what a program asked for; false where it is for something else. */
  decidedBeside(decision: PersonDecision): boolean {
    return this.#beside.decided(decision);
  }

  /** What a person types for the program of the act that runs. */
  async input(bytes: Uint8Array, end: boolean): Promise<boolean> {
    const { stage, current } = this.#state;
    const nonce = current?.prepared?.nonce;
    const kind = current === undefined ? undefined : toolOf(current.target)?.driver;
    if (stage !== "acting" || nonce === undefined || kind === undefined || kind === null) {
      return false;
    }
    const driver = this.#ends.drivers.running(this.#state.session, kind);
    await driver?.input(nonce, bytes, end);
    return driver !== undefined;
  }

  scopeChanged(): void {
    this.#stale = this.#opened !== undefined;
  }

  /** Between two actions: no driver is in the middle of one. */
  async #reopen(signal: AbortSignal): Promise<void> {
    if (!this.#stale) return;
    const { session } = this.#state;
    // Before the question: a change that comes meanwhile counts again.
    this.#stale = false;
    try {
      this.#opened = await this.#ends.gate.openSession(session, signal);
    } catch (error) {
      this.#stale = true;
      throw error;
    }
    await this.release();
  }

  /** Nothing of the session runs any more; its servers say what they had done. */
  async release(): Promise<void> {
    const { session } = this.#state;
    if (this.#beside.lasting > 0) {
      this.#releasing = this.#beside.endLasting();
      await this.#releasing;
    }
    this.#ends.drivers.release(session);
  }

  /** Starts the program of this session's agent. */
  async program(signal: AbortSignal): Promise<AgentLink> {
    const { drivers } = this.#ends;
    return await drivers.program(this.#state.session, this.#profileOf("agent"), signal);
  }

  #profileOf(kind: DriverKind): Uint8Array {
    const profile = this.#opened?.profiles.get(kind);
    if (profile !== undefined) return profile;
    throw new OperationError("E_PROFILE_MISSING", `the session has no ${kind} driver`);
  }

  /** What the agent may not choose: where its model is reached, and at which price. */
  #supplied(
    target: string,
    args: Of<"prepare">["args"],
    content: Uint8Array | undefined,
  ): { readonly [name: string]: string | number | Uint8Array } {
    if (target === rememberTarget) return { origin: this.#originOf(content) };
    if (target === shareTarget) return { agent: agentOf(content) };
    const { models = [] } = this.#opened ?? {};
    // A task's own model is asked; vectors may come from any that was confirmed.
    const model =
      target === embedTarget ? models.find(({ id }) => id === args["model"]) : this.#model;
    if (target === callTarget) return definitionOf(this.#opened, args);
    if ((target !== inferTarget && target !== embedTarget) || model === undefined) return {};
    const { url, protocol, name, inputMicrousd, outputMicrousd } = model;
    return { url, protocol, name, price_in: inputMicrousd, price_out: outputMicrousd };
  }

  /** Whose words are to be remembered; the Guardian compares what is said here with the words. */
  #originOf(content: Uint8Array | undefined): "user" | "content" {
    const { text } = this.#state.goal;
    if (content === undefined || !isTyped(text)) return "content";
    return toRemember(text).some((said) => equalBytes(said, content)) ? "user" : "content";
  }

  async #driver(target: string, signal: AbortSignal): Promise<Driver> {
    const kind: DriverKind | null | undefined = toolOf(target)?.driver;
    assert(kind !== null && kind !== undefined, `${target} has no driver`);
    await this.#releasing;
    return await this.#ends.drivers.of(this.#state.session, kind, this.#profileOf(kind), signal);
  }

  /** Has a driver look; nothing is changed. */
  async #look(
    { target, args, content }: Pick<Of<"prepare">, "target" | "args" | "content">,
    signal: AbortSignal,
  ): Promise<PreparedAction & { readonly driver: Driver; readonly nonce: Uint8Array }> {
    await this.#reopen(signal);
    const roots = this.#opened?.roots ?? [];
    const { home } = this.#ends;
    const supplied = this.#supplied(target, args, content);
    const made = canonicalArguments(target, args, content, roots, home, supplied);
    if (!made.ok) {
      throw new OperationError(made.error.code as `E_${string}`, made.error.message);
    }
    const driver = await this.#driver(target, signal);
    const looked = await driver.prepare(target, encodeCanonical(made.value.args), signal);
    const statement = schema.decode(preparedSchema, looked.prepared);
    if (!statement.ok) {
      throw new OperationError("E_DRIVER_MALFORMED", "what the driver prepared does not decode");
    }
    const { action, prepared, preparedSignature } = looked;
    return { driver, nonce: statement.value.nonce, action, prepared, preparedSignature };
  }

  async prepare(effect: Of<"prepare">, signal: AbortSignal): Promise<SessionInput> {
    const fromUs = this.#ends.clock.nowUs();
    const { action, nonce, prepared, preparedSignature } = await this.#look(effect, signal);
    this.#watch = { fromUs, preparedUs: this.#ends.clock.nowUs() };
    const id = actionId(nodeCrypto, action);
    const { call } = effect;
    return { type: "prepared", call, action, actionId: id, nonce, prepared, preparedSignature };
  }

  /** Later calls as the card would name them; what cannot be named waits for its turn. */
  #alike({ n, alike = [] }: Of<"propose">): readonly Uint8Array[] {
    const target = this.#state.actions[n - 1]?.target ?? "";
    return alike.flatMap((args) => {
      const roots = this.#opened?.roots ?? [];
      const made = canonicalArguments(target, args, undefined, roots, this.#ends.home);
      return made.ok ? [encodeCanonical(made.value.args)] : [];
    });
  }

  async propose(effect: Of<"propose">, signal: AbortSignal): Promise<SessionInput> {
    const watch = this.#watch;
    const proposedUs = this.#ends.clock.nowUs();
    const { sequence, action, prepared, preparedSignature, headless } = effect;
    const { session } = this.#state;
    const alike = this.#alike(effect);
    const reply = await this.#ends.gate.propose(
      { session, sequence, action, prepared, preparedSignature, headless, alike },
      signal,
    );
    const nowUs = this.#ends.clock.nowUs();
    if (reply.verdict === "ask") await this.#showChange(reply.approval, signal);
    const timing = {
      gateUs: Math.round(nowUs - watch.fromUs),
      prepareUs: Math.round(watch.preparedUs - watch.fromUs),
      proposeUs: Math.round(nowUs - proposedUs),
      decideUs: reply.decideUs,
      syncUs: reply.syncUs,
      signUs: reply.signUs,
    };
    const judged = {
      rules: reply.rules,
      asks: reply.asks,
      reason: reply.reason,
      instead: reply.instead,
      display: reply.display,
      timing,
      ...(reply.receipt === undefined ? {} : { receipt: reply.receipt }),
    };
    this.#ends.metrics.judged(reply.verdict, timing.gateUs);
    this.#log.log("info", "session.judged", {
      n: effect.n,
      action: this.#actionId(),
      verdict: reply.verdict,
      ticket: reply.verdict === "allow" ? reply.counter.toString() : undefined,
      approval: reply.approval === "" ? undefined : reply.approval,
    });
    const { counter, ttlMs, ticket, approval } = reply;
    const verdict: Verdict =
      reply.verdict === "allow"
        ? { type: "allow", ...judged, counter, ttlMs, ticket }
        : reply.verdict === "ask"
          ? { type: "ask", ...judged, approval }
          : { type: "deny", ...judged };
    return { type: "verdict", call: effect.call, verdict };
  }

  /** Before anybody is told that it asks: the card shows what the action would change. */
  async #showChange(approval: string, signal: AbortSignal): Promise<void> {
    const { current, session } = this.#state;
    if (current?.prepared === undefined || !previewTargets.has(current.target)) return;
    const { target, prepared, content = noContent } = current;
    await showPreview(this.#ends.gate, this.#log, { session, approval, signal }, async () => ({
      driver: await this.#driver(target, signal),
      nonce: prepared.nonce,
      content,
    }));
  }

  /** The same for an action that waits already: it is looked at anew, and goes on waiting. */
  async showChange(approval: string, signal: AbortSignal): Promise<void> {
    const { current, session } = this.#state;
    if (current?.approval !== approval || !previewTargets.has(current.target)) return;
    const { content = noContent } = current;
    await showPreview(this.#ends.gate, this.#log, { session, approval, signal }, async () => {
      const { driver, nonce } = await this.#look(current, signal);
      return { driver, nonce, content };
    });
    // A person may take days; nobody acts while it waits.
    if (this.#state.stage === "deciding") await this.release();
  }

  #vectorEnds(signal: AbortSignal): MemoryVectorEnds {
    const { models = [], roots = [] } = this.#opened ?? {};
    const modelDriver = (): Promise<Driver> => this.#driver(embedTarget, signal);
    return { models, roots, home: this.#ends.home, modelDriver };
  }

  async act(effect: Of<"act">, signal: AbortSignal): Promise<SessionInput> {
    const driver = await this.#driver(effect.target, signal);
    const { nonce, ticket } = effect;
    const { n } = effect;
    const decoders = { output: new TextDecoder(), errors: new TextDecoder() };
    const onOutput = (bytes: Uint8Array, stream: "output" | "errors"): void =>
      this.#onOutput({
        action: n,
        text: decoders[stream].decode(bytes, { stream: true }),
        ...(stream === "errors" ? { stream } : {}),
      });
    const { counter } = effect;
    const ended = new AbortController();
    const program = { driver, counter, signal, ended: ended.signal };
    const isMemory = toolOf(effect.target)?.driver === "memory";
    const onWant = (want: ActWant): void =>
      this.#beside.want(
        program,
        want,
        isMemory ? embeddingOf(this.#vectorEnds(signal), { driver, nonce }, want) : undefined,
      );
    const given = effect.content ?? noContent;
    const acting = driver.act(nonce, ticket, given, signal, onOutput, onWant);
    // What still waits for a person waits for nobody any more; what was permitted has its end.
    const end = await acting.finally(() => ended.abort());
    await this.#beside.settled();
    const { input, content, origins, requests, proof } = readActEnd(effect.target, end);
    this.#beyond = {
      counter,
      ...(origins === undefined ? {} : { origins }),
      ...(requests === undefined ? {} : { requests }),
    };
    if (proof !== undefined) {
      const kept = await this.#ends.contents.keep(this.#state.session, effect.n, proof, "proof");
      if (kept === undefined) {
        this.#log.log("warn", "session.proof-lost", { n: effect.n, bytes: proof.length });
      }
    }
    this.#log.log("info", "session.acted", {
      n: effect.n,
      action: this.#actionId(),
      ticket: effect.counter.toString(),
      status: input.status,
      code: input.code,
    });
    const shown = await this.#shown(effect.n, content);
    return { ...shown, ...input, call: effect.call };
  }

  /** As the Guardian's log and the receipts name it. */
  #actionId(): string | undefined {
    const prepared = this.#state.current?.prepared;
    return prepared === undefined ? undefined : toHex(prepared.actionId);
  }

  /** Content in place where it is text and short, else behind a handle. */
  async #shown(
    n: number,
    content: Uint8Array | undefined,
  ): Promise<{ readonly content?: string; readonly handle?: string; readonly message?: string }> {
    if (content === undefined) return {};
    const room = sessionContentBytesMax - this.#state.contentBytes;
    const short = content.length <= Math.min(outcomeContentBytesMax, room);
    const text = short ? utf8Decode(content) : undefined;
    if (text !== undefined) return { content: text };
    const handle = await this.#ends.contents.keep(this.#state.session, n, content);
    if (handle !== undefined) return { handle };
    // What happened has happened; a person is told that it cannot be read any more.
    this.#log.log("warn", "session.content-lost", { n, bytes: content.length });
    return { message: `${content.length} bytes of its output were not kept: there was no room` };
  }

  async settle(effect: Of<"settle">, signal: AbortSignal): Promise<SessionInput> {
    const driver = await this.#driver(effect.target, signal);
    const { status, reversible } = await driver.settle(effect.counter, signal);
    const known = ["confirmed", "partial", "no-effect", "unknown"] as const;
    const found = known.find((each) => each === status) ?? "unknown";
    return { type: "settled", call: effect.call, status: found, reversible };
  }

  async report(effect: Of<"report">, signal: AbortSignal): Promise<SessionInput> {
    const { counter, status, reportedBy, outcome, outcomeSignature } = effect;
    const { counter: of, ...beyond } = this.#beyond ?? {};
    const receipt = await this.#ends.gate.report(
      {
        session: this.#state.session,
        counter,
        status,
        reportedBy,
        ...(outcome === undefined ? {} : { outcome }),
        ...(outcomeSignature === undefined ? {} : { outcomeSignature }),
        ...(of === counter ? beyond : {}),
      },
      signal,
    );
    return { type: "reported", call: effect.call, receipt };
  }

  async kill(effect: Of<"kill">, signal: AbortSignal): Promise<SessionInput> {
    // Bounded by the call's deadline; what ended by itself says what it had done.
    await this.#aborting;
    await this.#beside.endLasting();
    await this.#ends.drivers.kill(this.#state.session, signal);
    return { type: "killed", call: effect.call };
  }

  async close(effect: Of<"close">, signal: AbortSignal): Promise<SessionInput> {
    await this.#beside.endLasting();
    await this.#ends.gate.closeSession(this.#state.session, effect.state, signal);
    return { type: "closed", call: effect.call };
  }

  /** The effect is asked to end; what does not is killed with its driver. */
  abort(effect: Of<"abort">): void {
    const kind = toolOf(effect.target)?.driver ?? "files";
    const driver = this.#ends.drivers.running(this.#state.session, kind);
    this.#aborting = driver === undefined ? Promise.resolve() : this.#abort(driver, effect.nonce);
  }

  async #abort(driver: Driver, nonce: Uint8Array): Promise<void> {
    try {
      await driver.abort(nonce);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
  }
}
