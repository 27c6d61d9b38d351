/** A program's side of its way out, for tests: sockets, client hellos, a flow under a ticket. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import type { TestContext } from "node:test";
import { nodeCrypto, type ProgramAuthority } from "@ioi/host/crypto";
import { listenLoopback } from "@ioi/host/libc";
import { createLog } from "@ioi/host/ports";
import type { FlowBounds } from "../src/check.ts";
import { ProgramFlow } from "../src/program/flow.ts";
import type { Want } from "../src/program/permits.ts";
import { Trust } from "../src/trust.ts";

const vector = (bytes: 1 | 2, ...parts: readonly Buffer[]): Buffer => {
  const whole = Buffer.concat(parts);
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(whole.length, 0, bytes);
  return Buffer.concat([length, whole]);
};

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};

/** A TLS 1.2 record with a hello that asks for these names; without one, for none. */
export const clientHello = (...names: readonly (string | undefined)[]): Buffer => {
  const extensions = names.flatMap((name) =>
    name === undefined
      ? []
      : [number(0), vector(2, vector(2, Buffer.from([0]), vector(2, Buffer.from(name))))],
  );
  const body = Buffer.concat([
    number(0x0303),
    Buffer.alloc(32, 7),
    vector(1),
    vector(2, number(0x1301)),
    vector(1, Buffer.from([0])),
    vector(2, number(23), number(0), ...extensions),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  length[0] = 1;
  return Buffer.concat([Buffer.from([22, 3, 1]), vector(2, length, body)]);
};

export interface Place {
  readonly flow: ProgramFlow;
  /** Of the port that the program sees. */
  readonly port: number;
  readonly lookedUp: string[];
  readonly wants: Want[];
}

export interface PlaceOptions {
  readonly hosts?: FlowBounds["hosts"];
  readonly names?: Readonly<Record<string, readonly string[]>>;
  readonly requests?: number;
  readonly bytesUp?: number;
  readonly bytesDown?: number;
  readonly ms?: number;
  readonly authority?: ProgramAuthority;
  readonly trust?: Trust;
  readonly onWant?: (flow: ProgramFlow, want: Want) => void;
}

/** A way out as a sandbox has it, on a loopback port of this machine. */
export const placeOf = (t: TestContext, options: PlaceOptions = {}): Place => {
  const lookedUp: string[] = [];
  const wants: Want[] = [];
  const listener = listenLoopback(0);
  assert.ok(listener !== undefined);
  const log = createLog({ fields: {}, write: () => undefined });
  const flow: ProgramFlow = new ProgramFlow({
    session: "s-000000000001",
    counter: 7n,
    bounds: {
      type: "flow",
      requests: options.requests ?? 100,
      bytesUp: options.bytesUp ?? 1_000_000,
      bytesDown: options.bytesDown ?? 1_000_000,
      ms: options.ms ?? 60_000,
      hosts: options.hosts ?? [],
    },
    descriptor: listener.descriptor,
    provider: nodeCrypto,
    ports: {
      resolve: async (name) => {
        lookedUp.push(name);
        const found = options.names?.[name];
        if (found === undefined) throw new Error("ENOTFOUND");
        return found;
      },
      trust: options.trust ?? new Trust([], () => Promise.resolve([]), log),
    },
    onWant: (want) => {
      wants.push(want);
      options.onWant?.(flow, want);
    },
    ...(options.authority === undefined ? {} : { authority: options.authority }),
    log,
  });
  t.after(() => flow.close());
  return { flow, port: listener.port, lookedUp, wants };
};

/** Says something to a port and collects what comes until the other side ends. */
export const say = async (port: number, text: string | Buffer): Promise<string> => {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let answer = "";
  socket.on("data", (bytes: Buffer) => (answer += bytes.toString("latin1")));
  socket.on("error", () => undefined);
  socket.write(text);
  await new Promise<void>((resolve) => {
    socket.once("end", resolve);
    socket.once("close", () => resolve());
  });
  socket.destroy();
  return answer;
};

/** Opens a tunnel and speaks through it; `greet` is what opens it. */
export const through = async (
  port: number,
  greet: readonly (string | Buffer)[],
  said: string | Buffer,
): Promise<string> => {
  const socket = net.connect({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  const closed = once(socket, "close");
  let answer = Buffer.alloc(0);
  for (const piece of greet) {
    socket.write(piece);
    answer = Buffer.concat([answer, ((await once(socket, "data")) as [Buffer])[0]]);
  }
  socket.on("data", (bytes: Buffer) => (answer = Buffer.concat([answer, bytes])));
  socket.write(said);
  await closed;
  return answer.toString("latin1");
};
