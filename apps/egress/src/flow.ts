/**
 * The requests of one ticket that carries a flow, decided here without asking the Guardian again. An
 * answer that broke off is continued where it ended: only the very request that the ticket's action
 * names, from the byte that was passed on last; the server's strong tag says that it is still the same
 * answer. The messages that open a connection to a server of MCP follow each other: each is checked as
 * the first was.
 *
 * Invariants: one request at a time; nothing of a driver's but the place where it goes on; the log hash
 * is a chain over every request, whatever came of it. Bounds: those of the ticket, `flowsKept`.
 */
import { err, type Instant, msBetween, ok, type Rejection, type Result } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { flowLogHash, flowLogStart } from "@ioi/firewall/net";
import type { pb } from "@ioi/wire";
import type { CheckedRequest, ClientIdentity, FlowBounds } from "./check.ts";
import { flowsKept } from "./limits.ts";

/** Another request of a flow: where it goes on, and what of it is sent. */
export interface Further {
  readonly offset: number;
  readonly bytesUp: number;
}

export class Flow {
  readonly client: ClientIdentity;
  readonly type: "answer" | "messages";
  readonly lease: pb.LeaseReply;
  readonly #bounds: FlowBounds;
  readonly #startedAt: Instant;
  readonly #provider: CryptoProvider;
  /** Body bytes that were passed on. */
  received = 0;
  requests = 0;
  log: Uint8Array = flowLogStart;
  /** Strong tag of the answer; without one nothing is continued. */
  tag = "";
  running = false;
  over = false;
  #bytesUp = 0;

  constructor(
    client: ClientIdentity,
    type: Flow["type"],
    lease: pb.LeaseReply,
    bounds: FlowBounds,
    startedAt: Instant,
    provider: CryptoProvider,
  ) {
    this.client = client;
    this.type = type;
    this.lease = lease;
    this.#bounds = bounds;
    this.#startedAt = startedAt;
    this.#provider = provider;
  }

  get bytesDownLeft(): number {
    return this.#bounds.bytesDown - this.received;
  }

  /** Why no further request is made under it; undefined where it is. */
  refusal(client: ClientIdentity, { offset, bytesUp }: Further, now: Instant): string | undefined {
    if (this.over || client !== this.client) return "the ticket was used before";
    if (this.running) return "a request of this flow is under way";
    if (msBetween(this.#startedAt, now) > this.#bounds.ms) return "the flow is too old";
    if (this.requests >= this.#bounds.requests) return "the flow has no requests left";
    if (this.#bytesUp + bytesUp >= this.#bounds.bytesUp) return "the flow may send no more";
    if (this.bytesDownLeft <= 0) return "the flow may receive no more";
    if (this.type === "messages") return offset === 0 ? undefined : "a message is sent whole";
    if (this.tag === "") return "the answer has no tag to continue it by";
    return offset === this.received && offset > 0
      ? undefined
      : `the flow goes on at byte ${this.received}`;
  }

  ended({ request }: CheckedRequest, status: number, bytesUp: number, bytesDown: number): void {
    this.requests += 1;
    this.#bytesUp += bytesUp;
    this.running = false;
    const entry = { method: request.method, url: request.url.text, status, bytes: bytesDown };
    this.log = flowLogHash(this.#provider, this.log, entry);
  }
}

/** Flows by the counter of their ticket; the oldest goes first. */
export class Flows {
  readonly #flows: Map<bigint, Flow> = new Map();

  add(counter: bigint, flow: Flow): void {
    this.#flows.set(counter, flow);
    if (this.#flows.size <= flowsKept) return;
    for (const oldest of this.#flows.keys()) {
      this.#flows.delete(oldest);
      break;
    }
  }

  /** The flow that a further request belongs to. */
  continued(
    counter: bigint,
    client: ClientIdentity,
    further: Further,
    now: Instant,
  ): Result<Flow, Rejection<"E_EGRESS_TICKET">> {
    const flow = this.#flows.get(counter);
    if (flow === undefined) {
      return err({ code: "E_EGRESS_TICKET", message: "the ticket was used before" });
    }
    const message = flow.refusal(client, further, now);
    return message === undefined ? ok(flow) : err({ code: "E_EGRESS_TICKET", message });
  }

  has(counter: bigint): boolean {
    return this.#flows.get(counter)?.type === "messages";
  }

  end(counter: bigint): void {
    this.#flows.delete(counter);
  }

  cut(session: string): void {
    for (const [counter, { client }] of this.#flows) {
      if (session === "" || client.session === session) this.#flows.delete(counter);
    }
  }
}

const strongTag = /^"[\x21\x23-\x7e]{1,256}"$/;

/** The tag by which a whole answer can be continued; empty where there is none. */
export const tagOf = (head: {
  readonly status?: number;
  readonly headers?: readonly { name?: string; value?: string }[];
}): string => {
  if (head.status !== 200) return "";
  const tags = (head.headers ?? []).filter(({ name }) => name === "etag");
  const [tag] = tags;
  return tags.length === 1 && strongTag.test(tag?.value ?? "") ? (tag?.value ?? "") : "";
};
