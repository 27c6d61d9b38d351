/**
 * The Guardian, reached through the Orchestrator: one TLS session whose bytes travel as frames of
 * `Carry`, and beside them a notice with the commitment of every proposal, which the Orchestrator
 * numbers. The Orchestrator sees lengths, times and commitments, never what is proposed.
 *
 * Invariants: a proposal's notice leaves before its first byte; only a peer whose certificate names
 * it `guardian` is spoken to. The connection is made anew when it ends.
 */
import type { OutcomeStatus, ReceiptRef } from "@ioi/agent";
import { concatBytes, type Log, OperationError } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { type Credentials, nodeCrypto, wrapClient } from "@ioi/host/crypto";
import type { Planes } from "@ioi/host/dataplane";
import { type Channel, type Client, client, connect, MessageQueue, Tunnel } from "@ioi/host/rpc";
import { pb, profile as profileSchema, schema, signed } from "@ioi/wire";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  DescribedTools,
  McpGuardian,
  DriverKind,
  OpenedSession,
  PersonDecision,
  PreviewInput,
  ProposalInput,
  ProposalVerdict,
  RegisteredModel,
  ReportInput,
  ToolsInput,
  UnsignedAnswer,
} from "./ends.ts";
import { gateConnectMs, gateDeadlineMs, gateRetryMs } from "./limits.ts";

type Frame = MessageInitShape<typeof pb.CarryFrameSchema>;

interface Connection {
  readonly channel: Channel;
  readonly gate: Client<typeof pb.Gate>;
  /** They leave with the next bytes, before them: one write, and one wake-up, for both. */
  readonly notices: Frame[];
}

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

const malformed = (what: string): OperationError =>
  new OperationError("E_GATE_MALFORMED", `the Guardian's ${what}`);

const profilesOf = (encoded: readonly Uint8Array[]): ReadonlyMap<DriverKind, Uint8Array> => {
  const profiles = new Map<DriverKind, Uint8Array>();
  for (const bytes of encoded) {
    const outer = schema.decode(signed, bytes);
    const inner = outer.ok ? schema.decode(profileSchema, outer.value.payload) : outer;
    if (!inner.ok) throw malformed("profile does not decode");
    profiles.set(inner.value.kind, bytes);
  }
  return profiles;
};

const count = (value: bigint): number => {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed("model has a price beyond counting");
  return Number(value);
};

const modelOf = (model: pb.Model): RegisteredModel => ({
  id: model.id,
  url: model.url,
  protocol: model.protocol,
  name: model.name,
  contextTokens: model.contextTokens,
  inputMicrousd: count(model.inputMicrousdPerMillion),
  outputMicrousd: count(model.outputMicrousdPerMillion),
  isMemory: model.isMemory,
});

const receiptOf = (index: bigint, leafHash: Uint8Array): ReceiptRef => {
  if (leafHash.length !== 32) throw malformed("receipt has no hash");
  return { index, leafHash };
};

const verdictOf = (reply: pb.ProposeReply): ProposalVerdict => {
  const { verdict } = reply;
  if (verdict !== "allow" && verdict !== "ask" && verdict !== "deny") {
    throw malformed("verdict is none");
  }
  if (verdict === "allow" && reply.ticket.length === 0) throw malformed("ticket is missing");
  if (verdict === "ask" && reply.approval === "") throw malformed("approval is missing");
  return {
    verdict,
    ticket: reply.ticket,
    counter: reply.counter,
    ttlMs: reply.ttlMs,
    approval: reply.approval,
    rules: reply.rules,
    asks: reply.asks.map(({ kind, id }) => ({ kind, id })),
    reason: reply.reason,
    instead: reply.instead,
    display: reply.display,
    receipt:
      reply.receiptLeafHash.length === 0
        ? undefined
        : receiptOf(reply.receiptIndex, reply.receiptLeafHash),
    decideUs: reply.decideUs,
    syncUs: reply.syncUs,
    signUs: reply.signUs,
  };
};

const bulkOf = async (planes: Planes | undefined, announced: pb.Bulk): Promise<Uint8Array> => {
  if (planes?.in !== undefined) return await planes.in.take(announced);
  throw new OperationError("E_DATAPLANE_CLOSED", "no memory is shared with the Orchestrator");
};

export interface GateClientOptions {
  /** To the Orchestrator. */
  readonly carrier: Channel;
  readonly credentials: Credentials;
  readonly log: Log;
  /** For what is large. */
  readonly planes?: Planes;
}

export class GateClient implements McpGuardian {
  readonly #options: GateClientOptions;
  readonly #abort = new AbortController();
  #connection: Connection | undefined;
  readonly #waiting: Set<() => void> = new Set();

  constructor(options: GateClientOptions) {
    this.#options = options;
    void this.#keepConnected();
  }

  close(): void {
    this.#abort.abort(new OperationError("E_RPC_CANCELLED", "the workload ends"));
    this.#connection?.channel.close();
  }

  /** Connects again and again until closed; one connection at a time. */
  async #keepConnected(): Promise<void> {
    const { carrier, log } = this.#options;
    while (!this.#abort.signal.aborted && carrier.open) {
      try {
        const connection = await this.#connect();
        this.#connection = connection;
        for (const done of this.#waiting) done();
        await connection.channel.closed;
        log.log("warn", "gate.disconnected");
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        log.log("warn", "gate.unreachable", { code: error.code });
      }
      this.#connection = undefined;
      await wait(gateRetryMs);
    }
  }

  async #connect(): Promise<Connection> {
    const { carrier, credentials, planes } = this.#options;
    const { signal } = this.#abort;
    const frames = new MessageQueue<Frame>();
    const notices: Frame[] = [];
    const tunnel = new Tunnel((bytes) => {
      for (const notice of notices.splice(0)) frames.push(notice);
      const bulk = planes?.out?.put(bytes);
      if (bulk === undefined) frames.push({ frame: { case: "tls", value: bytes } });
      else frames.push({ frame: { case: "bulk", value: bulk.announced } });
      return bulk?.placed;
    });
    const arriving = client(pb.Carry, carrier).carry(frames, {
      deadlineMs: Number.POSITIVE_INFINITY,
      signal,
    });
    const carry = async (): Promise<void> => {
      try {
        for await (const { frame } of arriving) {
          if (frame.case === "tls") tunnel.receive(frame.value);
          else if (frame.case === "bulk") tunnel.receive(await bulkOf(planes, frame.value));
        }
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
      } finally {
        frames.finish();
        tunnel.finish();
      }
    };
    void carry();
    const socket = await wrapClient(tunnel, { credentials, peer: "guardian", signal });
    const channel = connect(socket);
    return { channel, gate: client(pb.Gate, channel), notices };
  }

  /** The connection, waited for if there is none at the moment. */
  async #connected(signal: AbortSignal): Promise<Connection> {
    const atEnd = performance.now() + gateConnectMs;
    while (this.#connection?.channel.open !== true) {
      signal.throwIfAborted();
      this.#abort.signal.throwIfAborted();
      const leftMs = atEnd - performance.now();
      if (leftMs <= 0) {
        throw new OperationError("E_GATE_UNAVAILABLE", "the Guardian does not answer", {
          retryable: true,
        });
      }
      await this.#change(Math.min(leftMs, gateRetryMs));
    }
    return this.#connection;
  }

  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
    });
  }

  async openSession(session: string, signal: AbortSignal): Promise<OpenedSession> {
    const { gate } = await this.#connected(signal);
    const reply = await gate.openSession({ session }, { signal, deadlineMs: gateDeadlineMs });
    if (reply.policyHash.length !== 32) throw malformed("policy has no hash");
    return {
      policyHash: reply.policyHash,
      profiles: profilesOf(reply.profiles),
      roots: reply.roots.map(({ name, path, write }) => ({
        name,
        path,
        access: write ? "write" : "read",
      })),
      // The default one first, the one for memories last.
      models: reply.models
        .toSorted(
          (a, b) =>
            Number(b.isDefault) - Number(a.isDefault) || Number(a.isMemory) - Number(b.isMemory),
        )
        .map(modelOf),
      mcpServers: reply.mcpServers.map(({ name, tools }) => ({
        name,
        tools: tools.filter(({ hash }) => hash.length > 0),
      })),
    };
  }

  async propose(proposal: ProposalInput, signal: AbortSignal): Promise<ProposalVerdict> {
    const { gate, notices } = await this.#connected(signal);
    const salt = nodeCrypto.randomBytes(32);
    const { session, action } = proposal;
    const sequence = BigInt(proposal.sequence);
    notices.push({
      frame: {
        case: "notice",
        value: {
          session,
          sequence,
          length: action.length,
          commitment: domainHash(nodeCrypto, domains.proposal, concatBytes(salt, action)),
        },
      },
    });
    const reply = await gate.propose(
      { ...proposal, sequence, salt, alike: [...(proposal.alike ?? [])] },
      { signal, deadlineMs: gateDeadlineMs },
    );
    return verdictOf(reply);
  }

  async preview(preview: PreviewInput, signal: AbortSignal): Promise<void> {
    const { gate } = await this.#connected(signal);
    await gate.preview({ ...preview }, { signal, deadlineMs: gateDeadlineMs });
  }

  async report(report: ReportInput, signal: AbortSignal): Promise<ReceiptRef> {
    const { gate } = await this.#connected(signal);
    const { session, counter, outcome, outcomeSignature } = report;
    const status: OutcomeStatus = report.status;
    const reply = await gate.report(
      {
        session,
        counter,
        status,
        reportedBy: report.reportedBy,
        ...(outcome === undefined ? {} : { outcome }),
        ...(outcomeSignature === undefined ? {} : { outcomeSignature }),
        ...(report.origins === undefined ? {} : { origins: report.origins }),
        ...(report.requests === undefined ? {} : { requests: report.requests }),
      },
      { signal, deadlineMs: gateDeadlineMs },
    );
    return receiptOf(reply.receiptIndex, reply.receiptLeafHash);
  }

  async describeTools(
    { session, server, tools }: ToolsInput,
    signal: AbortSignal,
  ): Promise<DescribedTools> {
    const { gate } = await this.#connected(signal);
    const reply = await gate.describeTools(
      { session, server, tools: [...tools] },
      { signal, deadlineMs: gateDeadlineMs },
    );
    return { withheld: reply.withheld, pinned: reply.pinned };
  }

  async answerUnsigned(answer: UnsignedAnswer, signal: AbortSignal): Promise<void> {
    const { gate } = await this.#connected(signal);
    await gate.answerUnsigned({ ...answer }, { signal, deadlineMs: gateDeadlineMs });
  }

  async closeSession(session: string, state: string, signal: AbortSignal): Promise<void> {
    const { gate } = await this.#connected(signal);
    await gate.closeSession({ session, state }, { signal, deadlineMs: gateDeadlineMs });
  }

  async *decisions(signal: AbortSignal): AsyncGenerator<PersonDecision, void, undefined> {
    while (!signal.aborted) {
      try {
        const { gate } = await this.#connected(signal);
        yield* gate.watchDecisions({}, { signal, deadlineMs: Number.POSITIVE_INFINITY });
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
      }
      if (!signal.aborted) await wait(gateRetryMs);
    }
  }
}
