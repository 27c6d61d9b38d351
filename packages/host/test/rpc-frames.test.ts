/** The framed transport against peers that are not ours: every byte is theirs to choose. */
import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { describe, it } from "node:test";
import { toBinary } from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import { pb, rpcMessageBytesMax } from "@ioi/wire";
import fc from "fast-check";
import { connect, client, implement, rpcHandlersMax, rpcStreamsMax, serve } from "@ioi/host/rpc";
import {
  decodeFailure,
  decodeHead,
  encodeCredit,
  encodeFailure,
  encodeFrame,
  encodeHead,
  type Frame,
  FrameParser,
  frameType,
  type FrameType,
  preface,
} from "../src/rpc/frame-codec.ts";
import { rpcConnectionBytes, rpcWindowBytes } from "../src/rpc/limits.ts";

const seed = Number(process.env["IOI_SEED"] ?? 20_261);

/** Two ends in memory; what is written at one is read at the other. */
const ends = (): readonly [Duplex, Duplex] => {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        other().push(chunk);
        setImmediate(done);
      },
      final(done) {
        other().push(null);
        done();
      },
      destroy(error, done) {
        if (!other().destroyed) other().push(null);
        done(error);
      },
    });
  const near: Duplex = make(() => far);
  const far: Duplex = make(() => near);
  return [near, far];
};

const bytesOf = (type: FrameType, call: number, payload: Uint8Array, head?: Uint8Array): Buffer =>
  Buffer.concat(encodeFrame(type, call, payload, head));

const none = new Uint8Array(0);
const checkPath = "/grpc.health.v1.Health/Check";
const headOf = (path = checkPath, deadlineMs = 0): Uint8Array => encodeHead({ path, deadlineMs });
const request = (service = ""): Uint8Array =>
  toBinary(pb.HealthCheckRequestSchema, {
    $typeName: "grpc.health.v1.HealthCheckRequest",
    service,
  });

/** A server, and a client of which every byte is written by hand. */
const rawClient = () => {
  const [near, far] = ends();
  const stuck = Promise.withResolvers<void>();
  const state = { running: 0 };
  const served = serve(far, [
    implement(pb.Health, {
      check: async ({ service }) => {
        state.running++;
        if (service === "stuck") await stuck.promise;
        state.running--;
        return { status: 1 };
      },
    }),
    implement(pb.Carry, {
      carry: async function* () {
        await stuck.promise;
        yield {};
      },
    }),
  ]);
  const parser = new FrameParser();
  const frames: Frame[] = [];
  let wake = (): void => undefined;
  near.on("data", (chunk: Buffer) => {
    frames.push(...parser.push(chunk));
    wake();
  });
  near.write(preface);
  const next = async (): Promise<Frame> => {
    for (;;) {
      const frame = frames.shift();
      if (frame !== undefined) return frame;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { near, served, next, frames, state, unstick: () => stuck.resolve() };
};

/** Any 16-bit units, lone surrogates among them. */
const textArb = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 50 })
  .map((units) => String.fromCharCode(...units));

describe("frames", () => {
  it("come out as they went in, however the bytes are cut", () => {
    const frameArb = fc.record(
      {
        type: fc.constantFrom(...Object.values(frameType)),
        call: fc.integer({ min: 0, max: 0xffff_ffff }),
        payload: fc.uint8Array({ maxLength: 40 }),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(fc.array(frameArb), fc.array(fc.integer({ min: 1, max: 30 })), (all, cuts) => {
        const bytes = Buffer.concat([
          preface,
          ...all.map(({ type, call, payload }) => bytesOf(type, call, payload)),
        ]);
        const parser = new FrameParser();
        const seen: Frame[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          seen.push(...parser.push(bytes.subarray(at, at + cut)));
          at = Math.min(bytes.length, at + cut);
        }
        assert.deepEqual(
          seen.map(({ type, call, payload }) => ({
            type,
            call,
            payload: Uint8Array.from(payload),
          })),
          all,
        );
      }),
      { seed, numRuns: 500 },
    );
  });

  it("of arbitrary bytes are frames or a clear refusal", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const parser = new FrameParser();
        try {
          for (const { payload } of parser.push(Buffer.concat([preface, bytes]))) {
            decodeHead(payload);
            decodeFailure(payload);
          }
        } catch (error) {
          assert.ok(error instanceof OperationError, String(error));
        }
      }),
      { seed, numRuns: 500 },
    );
  });

  it("carry a failure with its code and next step, whatever its letters", () => {
    fc.assert(
      fc.property(textArb, textArb, (message, next) => {
        const line = { status: 9, message, code: "E_X", next: `${next}.` };
        const decoded = decodeFailure(Buffer.from(encodeFailure(line)));
        assert.deepEqual(decoded, {
          ...line,
          message: message.toWellFormed(),
          next: line.next.toWellFormed(),
        });
      }),
      { seed, numRuns: 200 },
    );
  });
});

describe("a framed server and a hostile client", () => {
  it("the control: a well-behaved one gets its answer", async () => {
    const { near, next } = rawClient();
    near.write(bytesOf(frameType.call, 7, request(), headOf()));
    const frame = await next();
    assert.deepEqual([frame.type, frame.call, [...frame.payload]], [frameType.last, 7, [8, 1]]);
  });

  for (const [name, bytes] of [
    ["a frame longer than any message", Buffer.from([0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 1])],
    ["an unknown type", Buffer.from([0, 0, 0, 0, 99, 0, 0, 0, 1])],
    ["a server's frame", bytesOf(frameType.fail, 1, encodeFailure({ status: 1, message: "" }))],
    ["a call without a head", bytesOf(frameType.call, 1, none)],
    ["a head shorter than its path", bytesOf(frameType.call, 1, Buffer.from([0, 0, 0, 0, 9, 1]))],
    ["an opening with a message", bytesOf(frameType.open, 1, request("x"), headOf())],
    ["call 0", bytesOf(frameType.call, 0, request(), headOf())],
    [
      "a call opened twice",
      Buffer.concat([1, 1].map((id) => bytesOf(frameType.open, id, none, headOf()))),
    ],
    ["a credit that is no number", bytesOf(frameType.credit, 0, Buffer.from([1, 2]))],
    ["more credit than was used", bytesOf(frameType.credit, 0, encodeCredit(1))],
  ] as const) {
    it(`ends the connection at ${name}`, async () => {
      const { near, served } = rawClient();
      near.write(bytes);
      await served.closed;
    });
  }

  it("answers a method it does not have, and goes on", async () => {
    const { near, next } = rawClient();
    near.write(bytesOf(frameType.call, 1, none, headOf("/no/Such\u00e9")));
    near.write(bytesOf(frameType.call, 2, Buffer.from([255]), headOf()));
    near.write(bytesOf(frameType.call, 3, request(), headOf()));
    const answers = [await next(), await next(), await next()];
    assert.deepEqual(
      answers
        .map(({ type, call }) => [type, call])
        .toSorted(([, a], [, b]) => (a as number) - (b as number)),
      [
        [frameType.fail, 1],
        [frameType.fail, 2],
        [frameType.last, 3],
      ],
    );
  });

  it("ignores messages, ends, cancels and credits of calls that are not open", async () => {
    const { near, next } = rawClient();
    for (const type of [frameType.message, frameType.last, frameType.end, frameType.cancel]) {
      near.write(bytesOf(type, 99, none));
    }
    near.write(bytesOf(frameType.credit, 99, encodeCredit(5)));
    near.write(bytesOf(frameType.call, 1, request(), headOf()));
    assert.equal((await next()).type, frameType.last);
  });

  it("cuts off who sends beyond a call's window; within it, it does not", async () => {
    const { near, served, next } = rawClient();
    const message = bytesOf(frameType.message, 1, new Uint8Array(65_536));
    near.write(bytesOf(frameType.open, 1, none, headOf("/ioi.kernel.v1.Carry/Carry")));
    for (let bytes = 0; bytes < rpcWindowBytes; bytes += 65_536) near.write(message);
    near.write(bytesOf(frameType.call, 3, request(), headOf()));
    assert.deepEqual((await next()).call, 3, "the control: a window full of messages is taken");
    for (let bytes = 0; bytes <= rpcMessageBytesMax; bytes += 65_536) near.write(message);
    await served.closed;
  });

  it("cuts off who sends empty messages without end", async () => {
    const { near, served } = rawClient();
    near.write(bytesOf(frameType.open, 1, none, headOf("/ioi.kernel.v1.Carry/Carry")));
    const empty = Buffer.concat(
      Array.from({ length: 1000 }, () => bytesOf(frameType.message, 1, none)),
    );
    for (let i = 0; i < 100; i++) near.write(empty);
    await served.closed;
  });

  it("bounds what waits over all calls", async () => {
    const { near, served } = rawClient();
    const message = bytesOf(frameType.message, 1, new Uint8Array(1_000_000));
    let sent = 0;
    for (let id = 1; sent <= rpcConnectionBytes + rpcMessageBytesMax; id++, sent += 1_000_000) {
      near.write(bytesOf(frameType.open, id, none, headOf("/ioi.kernel.v1.Carry/Carry")));
      message.writeUInt32BE(id, 5);
      near.write(Buffer.from(message));
    }
    await served.closed;
  });

  it("runs no more handlers than its bound for who opens and cancels without end", async () => {
    const { near, next, frames, state } = rawClient();
    for (let id = 1; id <= 2 * rpcHandlersMax; id++) {
      near.write(bytesOf(frameType.call, id, request("stuck"), headOf()));
      near.write(bytesOf(frameType.cancel, id, none));
    }
    assert.equal((await next()).type, frameType.fail);
    near.write(bytesOf(frameType.call, 9999, request(), headOf()));
    for (let frame = await next(); frame.call !== 9999; frame = await next());
    assert.equal(state.running, rpcHandlersMax);
    assert.equal(frames.length, 0);
  });

  it("opens no more calls than its bound", async () => {
    const { near, next } = rawClient();
    for (let id = 1; id <= rpcStreamsMax + 1; id++) {
      near.write(bytesOf(frameType.call, id, request("stuck"), headOf()));
    }
    const { type, call, payload } = await next();
    assert.deepEqual([type, call], [frameType.fail, rpcStreamsMax + 1]);
    assert.equal(decodeFailure(payload).status, 8);
  });

  it("ends a handler at the deadline that its caller named", async () => {
    const { near, next } = rawClient();
    near.write(bytesOf(frameType.call, 1, request("stuck"), headOf(checkPath, 1)));
    assert.equal(decodeFailure((await next()).payload).status, 4);
  });
});

describe("a framed client and a hostile server", () => {
  const withServer = () => {
    const [near, far] = ends();
    far.resume();
    const channel = connect(near);
    return { channel, far, health: client(pb.Health, channel) };
  };

  it("the control: an answer by hand is taken", async () => {
    const { far, health } = withServer();
    const call = health.check({});
    far.write(preface);
    far.write(bytesOf(frameType.last, 1, Buffer.from([8, 1])));
    assert.equal((await call).status, 1);
  });

  for (const [name, bytes, code] of [
    ["another protocol", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), "E_RPC_UNAVAILABLE"],
    [
      "a client's frame",
      Buffer.concat([preface, bytesOf(frameType.cancel, 1, none)]),
      "E_RPC_UNAVAILABLE",
    ],
    [
      "an end without an answer",
      Buffer.concat([preface, bytesOf(frameType.end, 1, none)]),
      "E_RPC_MALFORMED",
    ],
    [
      "an answer that does not decode",
      Buffer.concat([preface, bytesOf(frameType.last, 1, Buffer.from([255]))]),
      "E_RPC_MALFORMED",
    ],
    [
      "a failure that ends early",
      Buffer.concat([preface, bytesOf(frameType.fail, 1, Buffer.from([9, 0]))]),
      "E_RPC_UNAVAILABLE",
    ],
    [
      "a code that is none of ours",
      Buffer.concat([
        preface,
        bytesOf(frameType.fail, 1, encodeFailure({ status: 9, message: "m", code: "rm -rf" })),
      ]),
      "E_RPC_INTERNAL",
    ],
    [
      "more credit than was used",
      Buffer.concat([preface, bytesOf(frameType.credit, 0, encodeCredit(0xffff_ffff))]),
      "E_RPC_UNAVAILABLE",
    ],
  ] as const) {
    it(`fails the call at ${name}`, async () => {
      const { far, health } = withServer();
      const call = health.check({});
      far.write(bytes);
      await assert.rejects(call, { code });
    });
  }

  it("drops answers of calls that nobody waits for", async () => {
    const { far, health } = withServer();
    far.write(preface);
    const abort = new AbortController();
    const first = health.check({}, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await assert.rejects(first, { message: "enough" });
    const second = health.check({});
    for (const id of [1, 77]) far.write(bytesOf(frameType.last, id, Buffer.from([8, 2])));
    far.write(bytesOf(frameType.last, 2, Buffer.from([8, 1])));
    assert.equal((await second).status, 1);
  });
});
