/**
 * A gate before an MCP server: the client's messages go to the driver, what the driver holds goes to
 * the Guardian, and what the Guardian permits goes on by its ticket. Nothing here decides.
 *
 * Invariants: every message that the driver held gets a verdict once or is refused; an outcome is
 * reported for every ticket, also of the server's start, which lasts as long as it runs. Bounds: the driver's on messages; `gateAsksMax` questions wait for a
 * person, each for `gateAskMsMax`.
 */
import { type Log, OperationError, toHex } from "@ioi/base";
import { startTool } from "@ioi/firewall";
import { type Client, MessageQueue } from "@ioi/host/rpc";
import type { pb } from "@ioi/wire";
import type { Driver, Drivers, McpGuardian, ProposalVerdict, ReportInput } from "./ends.ts";
import { gateAskMsMax, gateAsksMax, gateQuestionCharsMax, gateSendsMax } from "./limits.ts";
import type { Decisions } from "./mcp-decisions.ts";
import { readActEnd } from "./outcomes.ts";

export interface GateEnds {
  readonly gate: McpGuardian;
  readonly drivers: Drivers;
  readonly decisions: Decisions;
  readonly log: Log;
}

export interface GateStart {
  readonly session: string;
  readonly server: string;
  /** Who answers a question: nobody, a person, or the client's user as the client says. */
  readonly onAsk: "deny" | "wait" | "elicit";
  /** Nobody reads what was allowed. */
  readonly quiet: boolean;
}

export type GateEvent =
  | { readonly type: "message"; readonly bytes: Uint8Array }
  | {
      readonly type: "notice";
      readonly kind: "opened" | "allowed" | "denied" | "waits" | "withheld" | "fault";
      readonly text: string;
      readonly receipt?: bigint;
      readonly approval?: string;
    }
  | {
      readonly type: "end";
      readonly code: string;
      readonly message: string;
      readonly errors: string;
    };

type Mcp = Client<typeof pb.McpDriver>;
type Held = pb.HeldMessage;

const noContent = new Uint8Array(0);

const failureText = (error: unknown): string => {
  if (error instanceof OperationError) return `${error.code}: ${error.message}`;
  throw error;
};

const denialText = (verdict: Pick<ProposalVerdict, "reason" | "instead" | "receipt">): string =>
  [
    `Denied by IOI: ${verdict.reason}`,
    ...(verdict.instead === "" ? [] : [verdict.instead]),
    ...(verdict.receipt === undefined ? [] : [`Receipt ${verdict.receipt.index}.`]),
  ].join(" ");

/** Why there is no answer to record. */
const unansweredWhy: Readonly<Record<string, string>> = {
  none: "No person watches this gate, and its client cannot be asked (elicitation).",
  cancel: "The client's user did not answer.",
  late: "The client's user did not answer in time.",
};

const questionText = (what: string, { display, reason }: ProposalVerdict): string =>
  [
    `IOI asks before ${what} is called.`,
    display.slice(0, gateQuestionCharsMax / 2),
    reason.slice(0, gateQuestionCharsMax / 4),
    "Nobody signs this answer: it stands for this one call, and is recorded as unsigned.",
  ]
    .join("\n")
    .slice(0, gateQuestionCharsMax)
    .toWellFormed();

export class McpGate {
  readonly events: MessageQueue<GateEvent> = new MessageQueue<GateEvent>();
  readonly #ends: GateEnds;
  readonly #start: GateStart;
  readonly #abort = new AbortController();
  /** What the person is asked about, by the nonce that waits. */
  readonly #asking: Map<string, AbortController> = new Map();
  #closing: Promise<void> | undefined;
  #driver: Driver | undefined;
  #relay = "";
  #sequence = 0;
  #sends = 0;
  /** Work that ends with a report. */
  readonly #working: Set<Promise<void>> = new Set();

  constructor(ends: GateEnds, start: GateStart) {
    this.#ends = ends;
    this.#start = start;
  }

  get #mcp(): Mcp {
    const mcp = this.#driver?.mcp;
    if (mcp === undefined) throw new OperationError("E_MCP_GATE", "the gate is not open");
    return mcp;
  }

  /** Has the server started; the notice `opened` says that messages may be sent. */
  async open(): Promise<void> {
    const { gate, drivers } = this.#ends;
    const { session, server } = this.#start;
    const { signal } = this.#abort;
    const opened = await gate.openSession(session, signal);
    const profile = opened.profiles.get("mcp");
    if (profile === undefined) {
      throw new OperationError("E_PROFILE_MISSING", "the session has no mcp driver");
    }
    this.#driver = await drivers.of(session, "mcp", profile, signal);
    const deadlineMs = Number.POSITIVE_INFINITY;
    const events = this.#mcp.open({ server }, { signal, deadlineMs })[Symbol.asyncIterator]();
    const first = await events.next();
    if (first.done === true || first.value.event.case !== "relay") {
      throw new OperationError("E_DRIVER_MALFORMED", "a relay has no name");
    }
    this.#relay = first.value.event.value;
    void this.#follow({ [Symbol.asyncIterator]: () => events });
  }

  /** A message of the client, in its order; resolves when the next one may come. */
  async feed(message: Uint8Array): Promise<void> {
    this.#sends++;
    const sending = this.#send(message)
      .catch((error: unknown) => this.#notice("fault", failureText(error)))
      .finally(() => this.#sends--);
    if (this.#sends >= gateSendsMax) await sending;
  }

  async #send(message: Uint8Array): Promise<void> {
    const sending = this.#mcp.send({ relay: this.#relay, message }, { signal: this.#abort.signal });
    const { held } = await sending;
    if (held !== undefined) this.#work(this.#judge(held));
  }

  async #follow(events: AsyncIterable<pb.RelayEvent>): Promise<void> {
    try {
      for await (const { event } of events) this.#one(event);
      this.#end({ type: "end", code: "E_MCP_ENDED", message: "the driver ended", errors: "" });
    } catch (error) {
      const message = this.#abort.signal.aborted ? "the gate was closed" : failureText(error);
      this.#end({ type: "end", code: "E_MCP_ENDED", message, errors: "" });
    }
  }

  #one(event: pb.RelayEvent["event"]): void {
    switch (event.case) {
      case "message":
        this.events.push({ type: "message", bytes: event.value });
        return;
      case "started":
        this.#notice("opened", `session ${this.#start.session}`);
        return;
      case "held":
        this.#work(this.#judge(event.value));
        return;
      case "defined":
        this.#work(this.#define(event.value));
        return;
      case "droppedNonce":
        this.#asking.get(toHex(event.value))?.abort();
        return;
      case "fault":
        this.#notice("fault", event.value);
        return;
      case "end": {
        const { code, message, errors } = event.value;
        this.#end({ type: "end", code, message, errors });
        return;
      }
      default:
        return;
    }
  }

  #end(event: Extract<GateEvent, { readonly type: "end" }>): void {
    this.events.push(event);
    this.events.finish();
    for (const asking of this.#asking.values()) asking.abort();
  }

  #work(work: Promise<void>): void {
    const caught = work.catch((error: unknown) => this.#notice("fault", failureText(error)));
    this.#working.add(caught);
    void caught.finally(() => this.#working.delete(caught));
  }

  async #judge(held: Held): Promise<void> {
    if (held.errorCode !== "") {
      await this.#refuse(held, held.errorMessage);
      return;
    }
    let verdict: ProposalVerdict;
    try {
      verdict = await this.#propose(held);
    } catch (error) {
      // Any error on the way means deny.
      await this.#refuse(held, `Denied by IOI: ${failureText(error)}`);
      return;
    }
    if (verdict.verdict === "allow") await this.#act(held, verdict);
    else if (verdict.verdict === "deny") await this.#deny(held, verdict);
    else if (this.#start.onAsk === "elicit") await this.#elicit(held, verdict);
    else await this.#ask(held, verdict);
  }

  async #propose(held: Held): Promise<ProposalVerdict> {
    const { session, onAsk } = this.#start;
    const { action, prepared, preparedSignature } = held;
    const sequence = ++this.#sequence;
    const headless = onAsk === "deny" || this.#asking.size >= gateAsksMax;
    const proposal = { session, sequence, action, prepared, preparedSignature, headless };
    return await this.#ends.gate.propose(proposal, this.#abort.signal);
  }

  async #act(held: Held, verdict: ProposalVerdict): Promise<void> {
    const { session } = this.#start;
    const { gate } = this.#ends;
    const { counter, ticket } = verdict;
    const deadlineMs = held.what.endsWith(`.${startTool}`) ? Number.POSITIVE_INFINITY : undefined;
    if (!this.#start.quiet) this.#notice("allowed", held.what, verdict);
    let end: ReturnType<typeof readActEnd> | undefined;
    try {
      end = await this.#performed(held.nonce, ticket, deadlineMs);
    } catch (error) {
      this.#notice("fault", `${held.what}: ${failureText(error)}`);
    }
    const report: Omit<ReportInput, "session" | "counter"> =
      end === undefined
        ? { status: "unknown", reportedBy: "workload" }
        : {
            status: end.input.status,
            reportedBy: "driver",
            outcome: end.input.outcome,
            outcomeSignature: end.input.outcomeSignature,
            ...(end.requests === undefined ? {} : { requests: end.requests }),
          };
    await gate.report({ session, counter, ...report }, new AbortController().signal);
    const { message, status } = end?.input ?? {};
    if (message !== undefined && status !== "confirmed") {
      this.#notice("fault", `${held.what}: ${message}`);
    }
  }

  async #performed(
    nonce: Uint8Array,
    ticket: Uint8Array,
    deadlineMs: number | undefined,
  ): Promise<ReturnType<typeof readActEnd> | undefined> {
    const { signal } = new AbortController();
    const nothing = [undefined, undefined] as const;
    const end = await this.#driver?.act(nonce, ticket, noContent, signal, ...nothing, deadlineMs);
    return end === undefined ? undefined : readActEnd("mcp::call", end);
  }

  async #deny(held: Held, verdict: ProposalVerdict): Promise<void> {
    this.#notice("denied", `${held.what}: ${verdict.reason}`, verdict);
    await this.#refuse(held, denialText(verdict));
  }

  /** Waits for a person at the page or a terminal; nobody in time is a denial. */
  async #ask(held: Held, verdict: ProposalVerdict): Promise<void> {
    const key = toHex(held.nonce);
    const waiting = new AbortController();
    this.#asking.set(key, waiting);
    this.#notice("waits", `${held.what}: ${verdict.reason}`, verdict);
    const timer = setTimeout(() => waiting.abort(), gateAskMsMax);
    const answer = await this.#ends.decisions.of(verdict.approval, waiting.signal);
    clearTimeout(timer);
    this.#asking.delete(key);
    if (answer?.approved !== true) {
      const why =
        answer === undefined
          ? "Nobody answered in time."
          : answer.reason === ""
            ? "A person denied it."
            : `A person denied it: ${answer.reason}`;
      await this.#refuse(held, denialText({ ...verdict, reason: why }));
      return;
    }
    const again = await this.#mcp.again({ relay: this.#relay, nonce: held.nonce });
    if (again.held !== undefined) await this.#judge(again.held);
  }

  /** Nobody watches this gate: its client is asked. What it says is recorded as what it says. */
  async #elicit(held: Held, verdict: ProposalVerdict): Promise<void> {
    const { session } = this.#start;
    const key = toHex(held.nonce);
    const waiting = new AbortController();
    this.#asking.set(key, waiting);
    this.#notice("waits", `${held.what}: its client is asked, unsigned`, verdict);
    const text = questionText(held.what, verdict);
    const options = { signal: waiting.signal, deadlineMs: gateAskMsMax };
    let asked: Awaited<ReturnType<Mcp["ask"]>>;
    try {
      asked = await this.#mcp.ask({ relay: this.#relay, nonce: held.nonce, text }, options);
    } finally {
      this.#asking.delete(key);
    }
    const { answer, client } = asked;
    const why = unansweredWhy[answer];
    if (why !== undefined) {
      await this.#refuse(held, denialText({ ...verdict, reason: why }));
      return;
    }
    const approved = answer === "accept";
    const { approval } = verdict;
    const { gate } = this.#ends;
    await gate.answerUnsigned({ session, approval, approved, client }, this.#abort.signal);
    if (!approved) {
      const reason = "The client says that its user declined.";
      await this.#deny(held, { ...verdict, reason, instead: "" });
      return;
    }
    const again = await this.#mcp.again({ relay: this.#relay, nonce: held.nonce });
    if (again.held !== undefined) await this.#judge(again.held);
  }

  async #define({ serial, tools }: pb.DefinedTools): Promise<void> {
    const { session, server } = this.#start;
    const relay = this.#relay;
    try {
      const { signal } = this.#abort;
      const described = await this.#ends.gate.describeTools({ session, server, tools }, signal);
      if (described.pinned > 0) {
        this.#notice(
          "opened",
          `${described.pinned} tools of ${server} were pinned as they are now`,
        );
      }
      for (const { name, state, why } of described.withheld) {
        this.#notice("withheld", `${state} ${name}: ${why}`);
      }
      const withheld = described.withheld.map(({ name }) => name);
      await this.#mcp.offer({ relay, serial, withheld });
    } catch (error) {
      const refusal = `The tools of ${server} are not offered: ${failureText(error)}`;
      this.#notice("fault", refusal);
      await this.#mcp.offer({ relay, serial, refusal });
    }
  }

  async #refuse(held: Held, text: string): Promise<void> {
    await this.#mcp.refuse({ relay: this.#relay, nonce: held.nonce, text });
  }

  #notice(
    kind: Extract<GateEvent, { readonly type: "notice" }>["kind"],
    text: string,
    verdict?: ProposalVerdict,
  ): void {
    this.events.push({
      type: "notice",
      kind,
      text,
      ...(verdict?.receipt === undefined ? {} : { receipt: verdict.receipt.index }),
      ...(verdict === undefined || verdict.approval === "" ? {} : { approval: verdict.approval }),
    });
  }

  /** A person stops it. */
  async stop(): Promise<void> {
    this.#end({ type: "end", code: "E_MCP_ENDED", message: "a person stopped it", errors: "" });
    await this.close();
  }

  /** The client has gone: the server ends, what was permitted is reported, the session is closed. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { session } = this.#start;
    const { gate, drivers, log } = this.#ends;
    for (const asking of this.#asking.values()) asking.abort();
    this.#abort.abort(new OperationError("E_MCP_ENDED", "the client has gone"));
    try {
      await Promise.allSettled(this.#working);
      const { signal } = new AbortController();
      await drivers.kill(session, signal);
      await gate.closeSession(session, "done", signal);
    } catch (error) {
      log.log("warn", "mcp.gate-not-closed", { session, why: failureText(error) });
    }
  }
}
