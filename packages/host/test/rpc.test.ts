// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import type { Duplex } from "node:stream";
import { after, describe, it } from "node:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import { pb } from "@ioi/wire";
import * as grpc from "@grpc/grpc-js";
import {
  client,
  connect,
  dial,
  implement,
  type Implementation,
  serve,
  type ServeOptions,
} from "@ioi/host/rpc";

const health: Implementation = implement(pb.Health, {
  check: async (request, context) => {
    if (request.service === "slow") {
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      throw new OperationError("E_RPC_CANCELLED", "slow was cancelled");
    }
    if (request.service === "known") {
      throw new OperationError("E_DATA_LOCKED", "taken by é 42", { next: "stop é" });
    }
    if (request.service === "bug") throw new TypeError("secret detail");
    return { status: pb.HealthCheckResponse_ServingStatus.SERVING };
  },
});

const carry: Implementation = implement(pb.Carry, {
  carry: async function* (frames) {
    for await (const frame of frames) yield frame;
  },
});

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-rpc-"));
after(() => fs.rmSync(folder, { recursive: true }));
let sockets = 0;

/** Two ends of one Unix connection. */
const socketPair = async (): Promise<readonly [net.Socket, net.Socket]> => {
  const address = path.join(folder, `pair-${sockets++}`);
  const server = net.createServer();
  server.listen(address);
  await once(server, "listening");
  const near = net.connect(address);
  const [far] = (await once(server, "connection")) as [net.Socket];
  server.close();
  return [near, far];
};

const protocols = ["frames", "grpc"] as const;
type Protocol = (typeof protocols)[number];

const pairOf = async (
  protocol: Protocol,
  onBug?: (error: unknown) => void,
  options: ServeOptions = {},
) => {
  const [near, far] = await socketPair();
  const served = serve(far, [health, carry], {
    peer: "test",
    ...options,
    ...(onBug ? { onBug } : {}),
  });
  return { channel: connect(near, { protocol }), served, near, far };
};

const tlsFrame = (bytes: Uint8Array) => ({ frame: { case: "tls" as const, value: bytes } });

/** What both transports keep. */
const complies = (protocol: Protocol): void => {
  const pair = (onBug?: (error: unknown) => void) => pairOf(protocol, onBug);

  it("answers a unary call", async () => {
    await using channel = (await pair()).channel;
    const reply = await client(pb.Health, channel).check({ service: "" });
    assert.equal(reply.status, pb.HealthCheckResponse_ServingStatus.SERVING);
  });

  it("keeps the code and the text of an operation error across the channel", async () => {
    await using channel = (await pair()).channel;
    await assert.rejects(client(pb.Health, channel).check({ service: "known" }), {
      code: "E_DATA_LOCKED",
      message: "taken by é 42",
      next: "stop é",
    });
  });

  it("hides a bug's text from the caller and reports it at home", async () => {
    const bugs: unknown[] = [];
    await using channel = (await pair((error) => bugs.push(error))).channel;
    await assert.rejects(client(pb.Health, channel).check({ service: "bug" }), {
      code: "E_RPC_INTERNAL",
      message: "internal error",
    });
    assert.equal((bugs[0] as Error).message, "secret detail");
  });

  it("ends a call at its deadline and cancels the handler", async () => {
    await using channel = (await pair()).channel;
    await assert.rejects(
      client(pb.Health, channel).check({ service: "slow" }, { deadlineMs: 20 }),
      {
        code: "E_RPC_DEADLINE",
      },
    );
  });

  it("ends a call that takes too long, whatever deadline its caller named", async () => {
    const { channel: opened } = await pairOf(protocol, undefined, { answerMsMax: 20 });
    await using channel = opened;
    const options = { deadlineMs: Number.POSITIVE_INFINITY };
    const slow = client(pb.Health, channel).check({ service: "slow" }, options);
    await assert.rejects(slow, { code: "E_RPC_DEADLINE" });
  });

  it("ends a call when its signal aborts", async () => {
    await using channel = (await pair()).channel;
    const abort = new AbortController();
    const call = client(pb.Health, channel).check({ service: "slow" }, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await assert.rejects(call, { message: "enough" });
  });

  it("refuses a method that is not offered", async () => {
    await using channel = (await pair()).channel;
    await assert.rejects(client(pb.Node, channel).status({}), { code: "E_RPC_UNKNOWN_METHOD" });
  });

  it("fails open and later calls when the peer goes", async () => {
    const { channel, far } = await pair();
    const open = client(pb.Health, channel).check({ service: "slow" });
    setImmediate(() => far.destroy());
    await assert.rejects(open, { code: "E_RPC_UNAVAILABLE" });
    await channel.closed;
    await assert.rejects(client(pb.Health, channel).check({}), { code: "E_RPC_UNAVAILABLE" });
  });

  it("carries 5,000 messages and 8 MiB both ways, in order", async () => {
    await using channel = (await pair()).channel;
    const payload = new Uint8Array(1600);
    const count = 5_000;
    async function* requests() {
      for (let i = 0; i < count; i++) {
        new DataView(payload.buffer).setUint32(0, i);
        yield tlsFrame(payload.slice());
      }
    }
    let next = 0;
    for await (const { frame } of client(pb.Carry, channel).carry(requests())) {
      assert.equal(frame.case, "tls");
      if (frame.case !== "tls") return;
      assert.equal(new DataView(frame.value.buffer, frame.value.byteOffset).getUint32(0), next++);
    }
    assert.equal(next, count);
  });

  it("refuses a message above the bound without reading it", async () => {
    const { channel } = await pair();
    await using _ = channel;
    async function* requests() {
      yield tlsFrame(new Uint8Array(5_000_000));
    }
    await assert.rejects(
      (async () => {
        for await (const _frame of client(pb.Carry, channel).carry(requests())) assert.fail();
      })(),
      { code: "E_RPC_TOO_LARGE" },
    );
  });

  it("does not read ahead of a handler that takes nothing", async () => {
    const [near, far] = await socketPair();
    const go = Promise.withResolvers<void>();
    const slow = implement(pb.Carry, {
      carry: async function* (frames) {
        await go.promise;
        let bytes = 0n;
        for await (const { frame } of frames) {
          if (frame.case === "tls") bytes += BigInt(frame.value.length);
        }
        yield { frame: { case: "anchor", value: { size: bytes } } };
      },
    });
    serve(far, [slow]);
    await using channel = connect(near, { protocol });
    let sent = 0;
    const total = 400;
    async function* requests() {
      for (; sent < total; sent++) yield tlsFrame(new Uint8Array(65_536));
    }
    const answers = client(pb.Carry, channel).carry(requests())[Symbol.asyncIterator]();
    const answer = answers.next();
    // Beside it, on the same connection, calls go on: one that is answered shows that all that can
    // be sent has been sent.
    await assert.rejects(client(pb.Health, channel).check({}), { code: "E_RPC_UNKNOWN_METHOD" });
    await assert.rejects(client(pb.Health, channel).check({}), { code: "E_RPC_UNKNOWN_METHOD" });
    assert.ok(sent < total / 2, `${sent} messages of 64 KiB were sent`);
    go.resolve();
    const { value } = await answer;
    assert.equal(value?.frame.case === "anchor" && value.frame.value.size, 65_536n * 400n);
  });

  it("answers while a bulk transfer runs, and 300 calls at once", async () => {
    await using channel = (await pair()).channel;
    async function* requests() {
      for (let i = 0; i < 200; i++) yield tlsFrame(new Uint8Array(100_000));
    }
    const bulk = (async () => {
      let count = 0;
      for await (const _ of client(pb.Carry, channel).carry(requests())) count++;
      return count;
    })();
    const calls = Array.from({ length: 300 }, () => client(pb.Health, channel).check({}));
    assert.equal((await Promise.all(calls)).length, 300);
    assert.equal(await bulk, 200);
  });

  it("tells a handler whose reader left that nobody reads", async () => {
    const [near, far] = await socketPair();
    const left = Promise.withResolvers<unknown>();
    const endless = implement(pb.Carry, {
      carry: async function* (_frames, context) {
        context.signal.addEventListener("abort", () => left.resolve(context.signal.reason));
        for (;;) yield tlsFrame(new Uint8Array(100));
      },
    });
    serve(far, [endless]);
    await using channel = connect(near, { protocol });
    async function* requests() {
      yield tlsFrame(new Uint8Array(1));
    }
    for await (const _ of client(pb.Carry, channel).carry(requests())) break;
    assert.equal(((await left.promise) as OperationError).code, "E_RPC_CANCELLED");
  });
};

for (const protocol of protocols) describe(`rpc over ${protocol}`, () => complies(protocol));

describe("serving, whatever comes first", () => {
  it("survives a peer that speaks rubbish", async () => {
    const [near, far] = await socketPair();
    const served = serve(far, [health]);
    near.on("error", () => undefined);
    near.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50));
    await served.closed;
    const [other, end] = await socketPair();
    const silent = serve(end, [health]);
    other.destroy();
    await silent.closed;
  });

  it("dials a Unix socket, and says when nobody listens", async () => {
    const socketPath = path.join(folder, "s");
    const server = net.createServer((socket) => serve(socket, [health]));
    server.listen(socketPath);
    await once(server, "listening");
    {
      await using channel = await dial(socketPath);
      await client(pb.Health, channel).check({});
    }
    server.close();
    await assert.rejects(dial(path.join(folder, "none")), { code: "E_RPC_UNAVAILABLE" });
  });
});

describe("rpc against grpc-js, an independent implementation", () => {
  const definition = {
    check: {
      path: "/grpc.health.v1.Health/Check",
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: pb.HealthCheckRequest) =>
        Buffer.from(toBinary(pb.HealthCheckRequestSchema, value)),
      requestDeserialize: (bytes: Buffer) => fromBinary(pb.HealthCheckRequestSchema, bytes),
      responseSerialize: (value: pb.HealthCheckResponse) =>
        Buffer.from(toBinary(pb.HealthCheckResponseSchema, value)),
      responseDeserialize: (bytes: Buffer) => fromBinary(pb.HealthCheckResponseSchema, bytes),
    },
  } as const;

  it("our server answers a grpc-js client", async () => {
    const server = net.createServer((socket) => serve(socket, [health]));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    const foreign = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    const call = (service: string) =>
      new Promise<pb.HealthCheckResponse>((resolve, reject) => {
        foreign.makeUnaryRequest(
          definition.check.path,
          definition.check.requestSerialize,
          definition.check.responseDeserialize,
          { $typeName: "grpc.health.v1.HealthCheckRequest", service },
          (error, reply) => (error ? reject(error) : resolve(reply as pb.HealthCheckResponse)),
        );
      });
    assert.equal((await call("")).status, pb.HealthCheckResponse_ServingStatus.SERVING);
    await assert.rejects(call("known"), { code: grpc.status.FAILED_PRECONDITION });
    foreign.close();
    server.close();
  });

  it("our client calls a grpc-js server", async () => {
    const foreign = new grpc.Server();
    foreign.addService(definition, {
      check: (
        call: grpc.ServerUnaryCall<pb.HealthCheckRequest, unknown>,
        callback: grpc.sendUnaryData<unknown>,
      ) => {
        if (call.request.service === "no") {
          callback({ code: grpc.status.RESOURCE_EXHAUSTED, details: "too much" });
        } else callback(null, { $typeName: "grpc.health.v1.HealthCheckResponse", status: 1 });
      },
    });
    const port = await new Promise<number>((resolve, reject) =>
      foreign.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    const socket: Duplex = net.connect(port, "127.0.0.1");
    await once(socket, "connect");
    const channel = connect(socket, { protocol: "grpc" });
    const reply = await client(pb.Health, channel).check({ service: "" });
    assert.equal(reply.status, pb.HealthCheckResponse_ServingStatus.SERVING);
    await assert.rejects(client(pb.Health, channel).check({ service: "no" }), {
      code: "E_RPC_TOO_LARGE",
      message: "too much",
    });
    channel.close();
    foreign.forceShutdown();
  });
});
