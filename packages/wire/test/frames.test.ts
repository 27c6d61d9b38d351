import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeFrame, frameBytesMax, FrameReader } from "@ioi/wire";

const seed = Number(process.env["IOI_SEED"] ?? 4);

test("frames come out as they went in, however the stream is cut", () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 });
  fc.assert(
    fc.property(
      payloads,
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      (sent, cuts) => {
        const stream = Buffer.concat(sent.map((payload) => encodeFrame(payload)));
        const reader = new FrameReader();
        const received: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + (cuts[i % cuts.length] as number);
          const frames = reader.push(new Uint8Array(stream.subarray(at, end)));
          assert.ok(frames.ok);
          received.push(...frames.value);
          at = end;
        }
        assert.deepEqual(received, sent);
        assert.equal(reader.pendingBytes, 0);
      },
    ),
    { seed, numRuns: 300 },
  );
});

test("a frame that announces too much ends the stream at once, and for good", () => {
  const reader = new FrameReader(10);
  const first = reader.push(Uint8Array.of(0, 0, 0, 1, 7, 0xff, 0xff, 0xff, 0xff));
  assert.equal(first.ok ? undefined : first.error.code, "E_FRAME_TOO_LARGE");
  assert.equal(reader.pendingBytes, 0);
  assert.equal(reader.push(encodeFrame(Uint8Array.of(1))).ok, false);
  assert.equal(new FrameReader(10).push(encodeFrame(new Uint8Array(10))).ok, true, "control");
  assert.equal(new FrameReader(10).push(encodeFrame(new Uint8Array(11))).ok, false);
});

test("a cut stream is seen", () => {
  const reader = new FrameReader();
  assert.deepEqual(reader.push(encodeFrame(Uint8Array.of(1, 2)).slice(0, 5)), {
    ok: true,
    value: [],
  });
  assert.equal(reader.pendingBytes, 5);
});

test("frames are copies: a reused buffer changes none", () => {
  const reader = new FrameReader();
  const buffer = encodeFrame(Uint8Array.of(1, 2));
  const frames = reader.push(buffer);
  buffer.fill(0);
  assert.deepEqual(frames, { ok: true, value: [Uint8Array.of(1, 2)] });
});

test("writing too large a frame is a bug", () => {
  assert.throws(() => encodeFrame(new Uint8Array(frameBytesMax + 1)), { name: "InvariantError" });
});
