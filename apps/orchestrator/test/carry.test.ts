/**
 * Carrying, between a Workload and a Guardian that are both written here: bytes pass as they are,
 * numbers are ours alone, checkpoints stay.
 */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { bulkBytesMin, makePlanes, takePlanes } from "@ioi/host/dataplane";
import { client, connect, implement, MessageQueue, serve } from "@ioi/host/rpc";
import { inheritedSocket, metricsText } from "@ioi/host/process";
import type { Log } from "@ioi/base";
import { SimFiles, SimRandom } from "@ioi/sim";
import { pb } from "@ioi/wire";
import { carryService } from "../src/carry.ts";
import { Commitments } from "../src/commitments.ts";

type Frame = MessageInitShape<typeof pb.CarryFrameSchema>;

const files = new SimFiles({ seed: "carry" });
const commitments = await Commitments.open(files, new SimRandom("carry"), 0);

/** What came to the Guardian, and what it says. */
class Guardian {
  readonly received: pb.CarryFrame[] = [];
  readonly say = new MessageQueue<Frame>();
  #wake: () => void = () => undefined;

  async *carry(frames: AsyncIterable<pb.CarryFrame>): AsyncIterable<Frame> {
    const receiving = (async () => {
      for await (const frame of frames) {
        this.received.push(frame);
        this.#wake();
      }
      this.say.finish();
    })();
    receiving.catch((error: unknown) => this.say.fail(error));
    yield* this.say;
  }

  /** Resolves when so many frames have come. */
  async come(count: number): Promise<readonly pb.CarryFrame[]> {
    while (this.received.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.received;
  }
}

const carrying: boolean[] = [];
const guardianOf: { now: Guardian } = { now: new Guardian() };

const guardianEnd = implement(pb.Carry, {
  carry: (frames) => guardianOf.now.carry(frames),
});
const [near, far] = duplexPair();
serve(far, [guardianEnd], { peer: "orchestrator" });
const channel = connect(near);
/** What the chain was offered. */
const offered: string[] = [];
const quiet: Log = { log: () => undefined, child: () => quiet };
const [workloadEnd, ownEnd] = makePlanes("ioi-test-carry");
/** Of the Workload that is written here. */
const planes = takePlanes(workloadEnd, inheritedSocket, quiet);
const service = carryService({
  planes: takePlanes(ownEnd, inheritedSocket, quiet),
  guardian: client(pb.Carry, channel),
  commitments,
  onCheckpoint: (note) => offered.push(Buffer.from(note).toString()),
  onCarrying: (now) => carrying.push(now),
  onPoisoned: (error) => assert.fail(error),
});

interface Ends extends AsyncDisposable {
  readonly guardian: Guardian;
  readonly send: MessageQueue<Frame>;
  readonly replies: AsyncIterator<pb.CarryFrame>;
}

const open = (): Ends => {
  const guardian = new Guardian();
  guardianOf.now = guardian;
  const [workload, orchestrator] = duplexPair();
  serve(orchestrator, [service], { peer: "workload" });
  const own = connect(workload);
  const send = new MessageQueue<Frame>();
  const replies = new MessageQueue<pb.CarryFrame>();
  const receiving = (async () => {
    const options = { deadlineMs: Number.POSITIVE_INFINITY };
    for await (const frame of client(pb.Carry, own).carry(send, options)) replies.push(frame);
  })();
  receiving.then(
    () => replies.finish(),
    (error: unknown) => replies.fail(error),
  );
  return {
    guardian,
    send,
    replies: replies[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: async () => {
      own.close();
      await own.closed;
    },
  };
};

const tls = (...bytes: number[]): Frame => ({
  frame: { case: "tls", value: Uint8Array.from(bytes) },
});
const notice = (sequence: bigint, order = 0n): Frame => ({
  frame: {
    case: "notice",
    value: { session: "s-1", sequence, length: 9, commitment: new Uint8Array(32).fill(3), order },
  },
});

test("TLS bytes pass in both directions, whole and in order", async () => {
  await using ends = open();
  for (let n = 0; n < 50; n++) ends.send.push(tls(n, n + 1));
  const received = await ends.guardian.come(50);
  assert.deepEqual(
    received.map(({ frame }) => (frame.case === "tls" ? [...frame.value] : frame.case)),
    Array.from({ length: 50 }, (_, n) => [n, n + 1]),
  );
  for (let n = 0; n < 50; n++) ends.guardian.say.push(tls(n));
  for (let n = 0; n < 50; n++) {
    const { value } = (await ends.replies.next()) as { value: pb.CarryFrame };
    assert.deepEqual(value.frame.case === "tls" && [...value.frame.value], [n]);
  }
});

/** A piece that is as large as it takes. */
const large = (fill: number): Uint8Array => new Uint8Array(bulkBytesMin).fill(fill);

const counted = async (name: string): Promise<readonly string[]> =>
  (await metricsText()).split("\n").filter((line) => line.startsWith(name));

test("what is large passes through memory in its turn, in both directions, and is counted", async () => {
  await using ends = open();
  const bulk = planes.out?.put(large(4));
  assert.ok(bulk !== undefined);
  ends.send.push(tls(1));
  ends.send.push({ frame: { case: "bulk", value: bulk.announced } });
  ends.send.push(tls(2));
  const received = await ends.guardian.come(3);
  assert.deepEqual(
    received.map(({ frame }) => frame.case === "tls" && Uint8Array.from(frame.value)),
    [new Uint8Array([1]), large(4), new Uint8Array([2])],
  );
  ends.guardian.say.push({ frame: { case: "tls", value: large(5) } });
  ends.guardian.say.push(tls(3));
  const { value: first } = (await ends.replies.next()) as { value: pb.CarryFrame };
  assert.ok(first.frame.case === "bulk");
  assert.deepEqual(await planes.in?.take(first.frame.value), large(5));
  const { value: second } = (await ends.replies.next()) as { value: pb.CarryFrame };
  assert.equal(second.frame.case, "tls");
  assert.match(
    (await counted("ioi_dataplane_messages_total{")).join(),
    /to-guardian.* 1,.*to-workload.* 1/,
  );
});

test("memory that a Workload breaks ends its call; the next one carries all of it as frames", async () => {
  {
    await using ends = open();
    ends.send.push({ frame: { case: "bulk", value: { number: 0n, length: 5 } } });
    await assert.rejects(ends.replies.next());
  }
  planes.out?.close();
  planes.in?.close();
  await using ends = open();
  ends.send.push({ frame: { case: "tls", value: large(6) } });
  assert.equal((await ends.guardian.come(1)).length, 1);
  while (!(await counted("ioi_dataplane_open{")).every((line) => line.endsWith(" 0"))) {
    await new Promise((go) => setImmediate(go));
  }
  ends.guardian.say.push({ frame: { case: "tls", value: large(7) } });
  const { value } = (await ends.replies.next()) as { value: pb.CarryFrame };
  assert.deepEqual(value.frame.case === "tls" && Uint8Array.from(value.frame.value), large(7));
});

test("a notice keeps its place among the bytes and gets a number of ours, whatever it claims", async () => {
  await using ends = open();
  for (const frame of [tls(1), notice(7n, 999_999n), tls(2), notice(8n), tls(3)]) {
    ends.send.push(frame);
  }
  const received = await ends.guardian.come(5);
  assert.deepEqual(
    received.map(({ frame }) => frame.case),
    ["tls", "notice", "tls", "notice", "tls"],
  );
  const orders = received.flatMap(({ frame }) =>
    frame.case === "notice" ? [[frame.value.sequence, frame.value.order]] : [],
  );
  assert.deepEqual(orders, [
    [7n, 1n],
    [8n, 2n],
  ]);
});

test("frames without a meaning here are dropped", async () => {
  await using ends = open();
  const anchor = { size: 9n, root: new Uint8Array(32), signature: new Uint8Array(0) };
  ends.send.push({});
  ends.send.push({ frame: { case: "anchor", value: anchor } });
  ends.send.push(tls(1));
  assert.equal((await ends.guardian.come(1)).length, 1);
  assert.deepEqual(offered, [], "a Workload anchors nothing");
  ends.guardian.say.push({});
  ends.guardian.say.push(notice(1n));
  ends.guardian.say.push(tls(2));
  const { value } = (await ends.replies.next()) as { value: pb.CarryFrame };
  assert.deepEqual(value.frame.case === "tls" && [...value.frame.value], [2]);
});

test("a malformed notice ends the call, and the next one works", async () => {
  {
    await using ends = open();
    ends.send.push({ frame: { case: "notice", value: { commitment: new Uint8Array(5) } } });
    await assert.rejects(ends.replies.next());
  }
  await using ends = open();
  ends.send.push(notice(1n));
  const [first] = await ends.guardian.come(1);
  assert.ok(first?.frame.case === "notice" && first.frame.value.order === 3n);
});

test("checkpoints of the Guardian go to the chain, their notes alone", async () => {
  await using ends = open();
  const anchorOf = (size: bigint, note: string): Frame => ({
    frame: {
      case: "anchor",
      value: { size, root: new Uint8Array(32), signature: new Uint8Array(Buffer.from(note)) },
    },
  });
  offered.length = 0;
  ends.guardian.say.push(anchorOf(4n, "four"));
  ends.guardian.say.push(anchorOf(6n, "six"));
  ends.guardian.say.push(tls(1));
  await ends.replies.next();
  assert.deepEqual(offered, ["four", "six"]);
});

test("carrying is said when it begins and when it ends", async () => {
  carrying.length = 0;
  {
    await using ends = open();
    ends.send.push(tls(1));
    await ends.guardian.come(1);
    assert.deepEqual(carrying, [true]);
    ends.guardian.say.finish();
    assert.equal((await ends.replies.next()).done, true);
  }
  assert.deepEqual(carrying, [true, false]);
});

test("a call that ends while another one carries does not end the carrying", async () => {
  carrying.length = 0;
  await using first = open();
  first.send.push(tls(1));
  await first.guardian.come(1);
  await using second = open();
  second.send.push(tls(1));
  await second.guardian.come(1);
  first.guardian.say.finish();
  assert.equal((await first.replies.next()).done, true);
  assert.deepEqual(carrying, [true, true, true]);
  second.guardian.say.finish();
  assert.equal((await second.replies.next()).done, true);
  assert.deepEqual(carrying, [true, true, true, false]);
});

test("what is counted and what is kept holds none of the bytes", async () => {
  const canary = "kanarienvogel";
  await using ends = open();
  ends.send.push(tls(...Buffer.from(canary)));
  ends.send.push(notice(1n));
  await ends.guardian.come(2);
  ends.guardian.say.push(tls(...Buffer.from(canary)));
  await ends.replies.next();
  const text = await metricsText();
  assert.match(text, /^ioi_carried_bytes_total\{.*direction="to-guardian".*\} \d+$/m);
  assert.match(text, /^ioi_proposals_numbered_total(\{.*\})? \d+$/m);
  assert.doesNotMatch(text, new RegExp(canary));
  for (const path of await files.list("")) {
    assert.equal(Buffer.from(await files.readFile(path, 1e6)).includes(canary), false, path);
  }
  // The control: what the log is for is in it.
  assert.ok(Buffer.from(await files.readFile("commitments.log", 1e6)).includes("s-1"));
});

test("when the Guardian is gone, the Workload's call ends", async () => {
  await using ends = open();
  ends.send.push(tls(1));
  await ends.guardian.come(1);
  channel.close();
  await assert.rejects(ends.replies.next());
});
