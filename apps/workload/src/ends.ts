/**
 * The other ends of a session, as the runner sees them. The real ones speak gRPC to the Guardian,
 * the launcher and the drivers; tests put doubles in their place.
 */
import type { OutcomeStatus, ReceiptRef, SessionModel } from "@ioi/agent";
import type { Root } from "@ioi/firewall";
import type { Client } from "@ioi/host/rpc";
import type { DriverKind, pb } from "@ioi/wire";

export type { DriverKind };

export interface OpenedSession {
  readonly policyHash: Uint8Array;
  /** Canonical `signed` profile of each kind of driver. */
  readonly profiles: ReadonlyMap<DriverKind, Uint8Array>;
  readonly roots: readonly Root[];
  /** Confirmed models, the default one first. */
  readonly models: readonly RegisteredModel[];
  readonly mcpServers?: readonly RegisteredServer[];
}

/** A confirmed MCP server, with the tools that a person has seen. */
export interface RegisteredServer {
  readonly name: string;
  readonly tools: readonly {
    readonly name: string;
    readonly hash: Uint8Array;
    /** Canonical JSON. */
    readonly definition: string;
  }[];
}

/** A model as the Guardian's registry has it. */
export interface RegisteredModel extends SessionModel {
  readonly url: string;
  readonly protocol: string;
  readonly name: string;
  /** Memories are found by its vectors. */
  readonly isMemory?: boolean;
}

export interface ProposalInput {
  readonly session: string;
  readonly sequence: number;
  readonly action: Uint8Array;
  readonly prepared: Uint8Array;
  readonly preparedSignature: Uint8Array;
  readonly headless: boolean;
  /** Canonical arguments of later calls to the same target. */
  readonly alike?: readonly Uint8Array[];
}

/** `ioi.kernel.v1.ProposeReply`, checked. */
export interface ProposalVerdict {
  readonly verdict: "allow" | "ask" | "deny";
  readonly ticket: Uint8Array;
  readonly counter: bigint;
  readonly ttlMs: number;
  readonly approval: string;
  readonly rules: readonly string[];
  readonly asks: readonly { readonly kind: string; readonly id: string }[];
  readonly reason: string;
  readonly instead: string;
  readonly display: string;
  readonly receipt: ReceiptRef | undefined;
  readonly decideUs: number;
  readonly syncUs: number;
  readonly signUs: number;
}

/** What an action that asks would change; `missing` instead of the rest: why it cannot be shown. */
export interface PreviewInput {
  readonly session: string;
  readonly approval: string;
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly text: string;
  readonly missing: string;
}

export interface ReportInput {
  readonly session: string;
  readonly counter: bigint;
  readonly status: OutcomeStatus;
  readonly reportedBy: "driver" | "workload" | "person";
  readonly outcome?: Uint8Array;
  readonly outcomeSignature?: Uint8Array;
  /** What the outcome's evidence `origins` commits to. */
  readonly origins?: Uint8Array;
  /** What the outcome's evidence `request_log` commits to. */
  readonly requests?: Uint8Array;
}

export interface ToolsInput {
  readonly session: string;
  readonly server: string;
  readonly tools: readonly {
    readonly name: string;
    readonly hash: Uint8Array;
    readonly definition: string;
  }[];
}

export interface DescribedTools {
  readonly withheld: readonly {
    readonly name: string;
    readonly state: string;
    readonly why: string;
  }[];
  /** Tools that this very list pinned. */
  readonly pinned: number;
}

export interface PersonDecision {
  readonly session: string;
  readonly approval: string;
  readonly approved: boolean;
  readonly reason: string;
  /** Nobody answered in time. */
  readonly expired: boolean;
  /** No answer: the session has another scope now. */
  readonly scopeChanged?: boolean;
}

/** The Guardian. Every method throws an `OperationError` where it comes to nothing. */
export interface Gate {
  openSession(session: string, signal: AbortSignal): Promise<OpenedSession>;
  propose(proposal: ProposalInput, signal: AbortSignal): Promise<ProposalVerdict>;
  preview(preview: PreviewInput, signal: AbortSignal): Promise<void>;
  report(report: ReportInput, signal: AbortSignal): Promise<ReceiptRef>;
  closeSession(session: string, state: string, signal: AbortSignal): Promise<void>;
  /** Decisions as they come, the known ones first; ends only by its signal. */
  decisions(signal: AbortSignal): AsyncIterable<PersonDecision>;
}

export interface UnsignedAnswer {
  readonly session: string;
  readonly approval: string;
  readonly approved: boolean;
  /** What the client calls itself. */
  readonly client: string;
}

/** The Guardian, for gates before MCP servers. */
export interface McpGuardian extends Gate {
  /** What a server says its tools are. Names of those that a client may not see, with why. */
  describeTools(described: ToolsInput, signal: AbortSignal): Promise<DescribedTools>;
  /** What a gate's client says that its user answered; nobody signed it. */
  answerUnsigned(answer: UnsignedAnswer, signal: AbortSignal): Promise<void>;
}

export interface PreparedAction {
  /** Canonical `action`. */
  readonly action: Uint8Array;
  /** Canonical `prepared` and its signature. */
  readonly prepared: Uint8Array;
  readonly preparedSignature: Uint8Array;
}

/** What an act ends with: the canonical `outcome`, its signature, and what it found. */
export interface ActEnd {
  readonly outcome: Uint8Array;
  readonly outcomeSignature: Uint8Array;
  /** Canonical map. */
  readonly result: Uint8Array;
  readonly message: string;
  /** Streamed while it ran, bounded by the driver. */
  readonly output: readonly Uint8Array[];
}

/** What a running program asks for: an action of its own. */
export interface ActWant {
  readonly id: number;
  readonly target: string;
  /** Canonical map of canonical arguments. */
  readonly args: Uint8Array;
}

export interface Driver {
  /** Relays of MCP servers: only a driver of that kind answers. */
  readonly mcp?: Client<typeof pb.McpDriver>;
  /** Canonical map of canonical arguments. A refusal is an `OperationError` that is not retryable. */
  prepare(target: string, args: Uint8Array, signal: AbortSignal): Promise<PreparedAction>;
  /** What the prepared action would change, signed; a refusal is an `OperationError`. */
  preview(
    nonce: Uint8Array,
    content: Uint8Array,
    signal: AbortSignal,
  ): Promise<Pick<PreviewInput, "statement" | "signature" | "text">>;
  act(
    nonce: Uint8Array,
    ticket: Uint8Array,
    content: Uint8Array,
    signal: AbortSignal,
    /** What it writes while it runs, as it comes. */
    onOutput?: (bytes: Uint8Array, stream: "output" | "errors") => void,
    /** What its program asks for beside it. */
    onWant?: (want: ActWant) => void,
    /** Absent: as long as a call may take. */
    deadlineMs?: number,
  ): Promise<ActEnd>;
  /** What a program of the act under this ticket asked for is not permitted. */
  refuse(counter: bigint, id: number, reason: string): Promise<void>;
  /** What the act's program reads. */
  input(nonce: Uint8Array, bytes: Uint8Array, end: boolean): Promise<void>;
  abort(nonce: Uint8Array): Promise<void>;
  settle(
    counter: bigint,
    signal: AbortSignal,
  ): Promise<{ readonly status: string; readonly reversible: boolean }>;
}

/** Starts drivers at their first use and ends them with their session. */
export interface Drivers {
  of(session: string, kind: DriverKind, profile: Uint8Array, signal: AbortSignal): Promise<Driver>;
  /** Starts the program of the session's agent. */
  program(session: string, profile: Uint8Array, signal: AbortSignal): Promise<AgentLink>;
  /** The driver that runs already, if one does. */
  running(session: string, kind: DriverKind): Driver | undefined;
  /** Every driver of the session and all that they started are gone when it returns; none starts any more. */
  kill(session: string, signal: AbortSignal): Promise<void>;
  /** Lets a session's drivers end by themselves. */
  release(session: string): void;
}

/** A session's journal, open for appending. */
export interface JournalFile {
  /** In the file when it returns: it survives the end of the process; `durable`: of the machine. */
  append(record: Uint8Array, durable: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Where what is too long for a view is kept. */
export interface Contents {
  /** A handle, or undefined where the session keeps too much already. */
  keep(session: string, n: number, bytes: Uint8Array, part?: "proof"): Promise<string | undefined>;
  /** Undefined where it is not kept any more. */
  read(handle: string, offset: number, length: number): Promise<KeptPiece | undefined>;
}

export interface KeptPiece {
  readonly bytes: Uint8Array;
  /** Of the whole. */
  readonly total: number;
}

/** An agent's program, running in its sandbox. */
export interface AgentLink {
  /**
   * The next line without its end, undefined once there is none; throws `E_AGENT_FLOOD` for one that
   * is too long, and the signal's reason. Nothing is read from the program but for this.
   */
  next(signal: AbortSignal): Promise<Uint8Array | undefined>;
  send(line: string): void;
  /** Bytes that came since the last call of this. */
  takeBytes(): number;
  /** The end of what it wrote to its error output. */
  errors(): string;
  /** It and all that it started are gone when it resolves. */
  kill(): Promise<void>;
}

export interface SessionClock {
  /** Milliseconds since 1970 that never go back while the process lives. */
  nowMs(): number;
  /** Microseconds of a monotonic clock. */
  nowUs(): number;
}
