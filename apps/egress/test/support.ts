/** An egress with a Guardian's keys, a resolver that answers as told, and servers that misbehave. */
import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import { type Clock, OperationError } from "@ioi/base";
import { actionId, domains, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { createLog, systemClock } from "@ioi/host/ports";
import type { Client } from "@ioi/host/rpc";
import {
  type Action,
  action as actionSchema,
  type CanonicalValue,
  type pb,
  schema,
  signed,
  type Ticket,
  ticket as ticketSchema,
} from "@ioi/wire";
import type { ClientIdentity } from "../src/check.ts";
import type { Resolve } from "../src/resolve.ts";
import type { Listener } from "../src/listeners.ts";
import { Egress } from "../src/service.ts";
import { Trust } from "../src/trust.ts";

export const bootKey = nodeCrypto.generate("ed25519");
export const driver: ClientIdentity = {
  instanceId: new Uint8Array(16).fill(7),
  session: "s-0123456789ab",
  kind: "net",
};

let counters = 0n;

export interface Asked {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** The action, where it is no plain request. */
  readonly action?: Pick<Action, "target" | "args" | "facts">;
  /** Changes to the ticket. */
  readonly ticket?: Partial<Ticket>;
  readonly key?: typeof bootKey;
  /** What the driver asks for, where it is not what the action says. */
  readonly ask?: Partial<{
    method: string;
    url: string;
    headers: { name: string; value: string }[];
    body: Uint8Array;
    action: Uint8Array;
    ticket: Uint8Array;
  }>;
}

const contentOf = (body: Uint8Array): CanonicalValue => ({
  sha256: nodeCrypto.sha256(body),
  length: body.length,
  head: "",
});

export const requestOf = (asked: Asked): pb.FetchRequest => {
  const sends = asked.body !== undefined || (asked.method ?? "GET") === "POST";
  const target = sends ? "net::post" : "net::get";
  const args: Record<string, CanonicalValue> = { url: asked.url };
  if (asked.method !== undefined) args["method"] = asked.method;
  if (asked.headers !== undefined) args["headers"] = asked.headers;
  if (asked.body !== undefined) args["content"] = contentOf(asked.body);
  const given = asked.action ?? { target, args, facts: {} };
  const action = schema.encode(actionSchema, { version: 1, ...given });
  counters += 1n;
  const ticket: Ticket = {
    version: 1,
    counter: counters,
    actionId: actionId(nodeCrypto, action),
    target: given.target,
    session: driver.session,
    agent: "planner",
    policyHash: new Uint8Array(32),
    grantsHash: new Uint8Array(32),
    profileHash: new Uint8Array(32),
    obligations: [],
    instanceId: driver.instanceId,
    nonce: new Uint8Array(16),
    ttlMs: 30_000,
    ...asked.ticket,
  };
  const payload = schema.encode(ticketSchema, ticket);
  const envelope = signPayload(nodeCrypto, asked.key ?? bootKey, domains.ticket, payload);
  return {
    ticket: schema.encode(signed, envelope),
    action,
    method: asked.method ?? (sends ? "POST" : "GET"),
    url: asked.url,
    headers: Object.entries(asked.headers ?? {}).map(([name, value]) => ({ name, value })),
    body: asked.body ?? new Uint8Array(0),
    ...asked.ask,
  } as pb.FetchRequest;
};

export interface World {
  readonly egress: Egress;
  /** Names that were looked up, in order. */
  readonly lookedUp: string[];
  readonly leased: string[];
}

export interface WorldOptions {
  readonly names?: Readonly<Record<string, readonly string[]>>;
  readonly resolve?: Resolve;
  readonly classes?: readonly string[];
  readonly headers?: readonly { readonly name: string; readonly value: string }[];
  readonly bytesDownMax?: number;
  readonly bytesUpMax?: number;
  readonly authorities?: readonly string[];
  readonly clock?: Pick<Clock, "now">;
  /** Of the machine; nobody says where absent. */
  readonly system?: () => Promise<readonly string[]>;
  readonly refuse?: OperationError;
  /** Who must listen, as the lease says. */
  readonly confirmed?: Listener;
  /** The socket that a sandbox sent. */
  readonly wayOut?: () => number | undefined;
  /** Who does. */
  readonly listens?: Listener;
  /** Who took the connection, as often as it is asked; then, and absent: who listens. */
  readonly took?: readonly (Listener | "waiting" | undefined)[];
}

export const worldOf = (options: WorldOptions = {}): World => {
  const lookedUp: string[] = [];
  const leased: string[] = [];
  let taken = 0;
  const leases = {
    lease: async () => {
      leased.push("lease");
      if (options.refuse !== undefined) throw options.refuse;
      return {
        headers: (options.headers ?? []).map((header) => ({ ...header })),
        bytesUpMax: BigInt(options.bytesUpMax ?? 1_000_000),
        bytesDownMax: BigInt(options.bytesDownMax ?? 1_000_000),
        addressClasses: [...(options.classes ?? ["public"])],
        ...(options.confirmed === undefined ? {} : { listener: options.confirmed }),
      };
    },
  } as unknown as Client<typeof pb.Leases>;
  const resolve: Resolve = async (name) => {
    lookedUp.push(name);
    if (options.resolve !== undefined) return await options.resolve(name);
    const found = options.names?.[name];
    if (found === undefined) throw new Error("ENOTFOUND");
    return found;
  };
  const log = createLog({ fields: {}, write: () => undefined });
  const system = options.system ?? (() => Promise.resolve([]));
  const egress = new Egress({
    provider: nodeCrypto,
    bootKey: bootKey.publicKey,
    leases,
    ports: { resolve, trust: new Trust(options.authorities ?? [], system, log) },
    listener: {
      listens: async () => options.listens,
      took: async () =>
        taken < (options.took ?? []).length ? options.took?.[taken++] : options.listens,
    },
    takeWayOut: () => options.wayOut?.(),
    clock: options.clock ?? systemClock,
    log,
  });
  return { egress, lookedUp, leased };
};

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly end: pb.FetchEnd | undefined;
}

/** Carries one request through the service, as a driver's call would. */
export const fetchWith = async (
  { egress }: World,
  request: pb.FetchRequest,
  signal: AbortSignal = new AbortController().signal,
  client: ClientIdentity = driver,
): Promise<Answer> => {
  const method = egress.serviceFor(client).methods.get("/ioi.kernel.v1.Egress/Fetch");
  assert.ok(method !== undefined);
  const events = method.handler(request as never, { signal, peer: "driver" }) as AsyncIterable<{
    readonly event: pb.FetchEvent["event"];
  }>;
  let status = 0;
  let headers: Record<string, string> = {};
  let body = "";
  let end: pb.FetchEnd | undefined;
  for await (const { event } of events) {
    if (event.case === "head") {
      ({ status } = event.value);
      headers = Object.fromEntries(event.value.headers.map(({ name, value }) => [name, value]));
    } else if (event.case === "body") body += Buffer.from(event.value).toString("latin1");
    else if (event.case === "end") end = event.value;
  }
  return { status, headers, body, end };
};

/** The code with which a request fails; `ok` where it does not. */
export const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "ok";
  } catch (error) {
    return error instanceof OperationError ? error.code : `bug: ${String(error)}`;
  }
};

export interface RawServer extends AsyncDisposable {
  readonly port: number;
  readonly connections: number;
  /** All bytes that came. */
  readonly received: string;
  /** Resolves when a connection has closed. */
  readonly closed: Promise<void>;
}

/** A TCP server that writes what it is told once it has the whole head of a request. */
export const rawServer = async (
  answer: (socket: net.Socket, head: string) => void,
): Promise<RawServer> => {
  let connections = 0;
  let received = "";
  const closed = Promise.withResolvers<void>();
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    let text = "";
    let answered = false;
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      text += chunk.toString("latin1");
      if (answered || !text.includes("\r\n\r\n")) return;
      answered = true;
      answer(socket, text);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      closed.resolve();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    get connections() {
      return connections;
    },
    get received() {
      return received;
    },
    closed: closed.promise,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};

export const ok = (body: string, more = ""): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${more}\r\n${body}`;
