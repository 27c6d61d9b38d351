/** Large pieces beside a stream: in their turn, whole, or the plane is over and nobody waits on. */
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import { type ChildProcess, spawn } from "node:child_process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Log } from "@ioi/base";
import {
  bulkBytesMin,
  bulkShape,
  bulkSkipMax,
  makePlanes,
  type PlaneEnd,
  type Planes,
  regionBytes,
  SharedRegion,
  takePlanes,
} from "@ioi/host/dataplane";
import { descriptors, inheritedSocket } from "@ioi/host/process";
import { placeOf, slotWord } from "../src/dataplane/slots.ts";

const events: string[] = [];
const log: Log = { log: (_level, event) => void events.push(event), child: () => log };

interface Pair {
  readonly near: Planes;
  readonly far: Planes;
  /** Another view of the memory that `near` writes. */
  readonly hostile: SharedRegion;
}

const opened: Planes[] = [];
const taken = (...given: Parameters<typeof takePlanes>): Planes => {
  const planes = takePlanes(...given);
  opened.push(planes);
  return planes;
};
after(() => {
  for (const { out, in: into } of opened) {
    out?.close();
    into?.close();
  }
});

const pairOf = (waitMs?: number): Pair => {
  const [near, far] = makePlanes("ioi-test-bulk");
  const seen = fs.openSync(`/proc/self/fd/${near.outMemory}`, "r+");
  const options = waitMs === undefined ? {} : { waitMs };
  return {
    near: taken(near, inheritedSocket, log, options),
    far: taken(far, inheritedSocket, log, options),
    hostile: SharedRegion.open(seen, regionBytes(bulkShape)),
  };
};

const piece = (fill: number, bytes = bulkBytesMin): Uint8Array => new Uint8Array(bytes).fill(fill);

const put = ({ near }: Pair, bytes: Uint8Array) => {
  const bulk = near.out?.put(bytes);
  assert.ok(bulk !== undefined);
  bulk.placed.catch(() => undefined);
  return bulk;
};

test("pieces come as they were announced, and what is small is left to the frames", async () => {
  const pair = pairOf();
  assert.equal(pair.near.out?.put(piece(1, bulkBytesMin - 1)), undefined);
  for (const bytes of [bulkBytesMin, 3 * bulkBytesMin + 5, 1_500_000, 4_194_304]) {
    const sent = piece(bytes & 0xff, bytes);
    const { announced, placed } = put(pair, sent);
    assert.deepEqual(await pair.far.in?.take(announced), sent);
    await placed;
  }
});

test("what was announced in a stream that is gone is passed over", async () => {
  const pair = pairOf();
  for (let n = 0; n < 20; n++) put(pair, piece(n));
  const { announced } = put(pair, piece(77));
  assert.equal((await pair.far.in?.take(announced))?.[0], 77);
});

for (const [what, announced] of [
  ["a number that was before", { number: 0n, length: bulkBytesMin }],
  ["a number far beyond", { number: BigInt(bulkSkipMax) + 2n, length: bulkBytesMin }],
  ["a shorter length", { number: 1n, length: bulkBytesMin - 1 }],
  ["a longer length", { number: 1n, length: bulkBytesMin + 1 }],
  ["a length beyond all messages", { number: 1n, length: 0xffff_ffff }],
] as const) {
  test(`${what} ends the plane, for both, and frames are used again`, async () => {
    const pair = pairOf();
    const first = put(pair, piece(1));
    assert.deepEqual(await pair.far.in?.take(first.announced), piece(1), "the control");
    put(pair, piece(2));
    await assert.rejects(async () => pair.far.in?.take(announced), { code: "E_DATAPLANE_BROKEN" });
    await pair.near.out?.closed;
    assert.equal(pair.near.out?.put(piece(3)), undefined);
  });
}

test("a byte changed in memory is found, and so is another generation; nothing wrong is handed out", async () => {
  const place = placeOf(0, bulkShape);
  for (const spoil of [
    ({ bytes }: SharedRegion) => void (bytes[place.offset + 1000] = 9),
    ({ words }: SharedRegion) => void (words[place.words + slotWord.turn] = 7),
  ]) {
    const pair = pairOf();
    const { announced, placed } = put(pair, piece(1));
    await placed;
    spoil(pair.hostile);
    await assert.rejects(async () => pair.far.in?.take(announced), { code: "E_DATAPLANE_BROKEN" });
    await pair.near.out?.closed;
    assert.equal(pair.near.out?.put(piece(3)), undefined);
  }
});

test("nobody waits for a piece that never comes, nor for room that is never made", async () => {
  const pair = pairOf(20);
  await assert.rejects(async () => pair.far.in?.take({ number: 0n, length: bulkBytesMin }), {
    code: "E_DATAPLANE_CLOSED",
  });
  const full = pairOf(20);
  const large = put(full, piece(1, (bulkShape.slots + 1) * bulkShape.slotBytes));
  await assert.rejects(large.placed, { code: "E_DATAPLANE_CLOSED" });
});

test("where nothing was handed over, or it is no such memory, frames carry everything", () => {
  assert.deepEqual(takePlanes(undefined, inheritedSocket, log), { out: undefined, in: undefined });
  const [near, far] = makePlanes("ioi-test-bulk");
  const loose = fs.openSync("/dev/null", "r+");
  events.length = 0;
  const none = takePlanes({ ...near, outMemory: loose }, inheritedSocket, log);
  assert.deepEqual(none, { out: undefined, in: undefined });
  assert.deepEqual(events, ["dataplane.unavailable"]);
  const ends: readonly (readonly [PlaneEnd, readonly (keyof PlaneEnd)[]])[] = [
    [near, ["outMemory", "inMemory"]],
    [far, ["outMemory", "outBell", "inMemory", "inBell"]],
  ];
  for (const [end, names] of ends) for (const name of names) fs.closeSync(end[name]);
  fs.closeSync(loose);
});

const childMain = fileURLToPath(new URL("./bulk-child.ts", import.meta.url));

/** Another process that puts pieces as fast as they are taken, announced on its output. */
const writing = (): { readonly child: ChildProcess; readonly planes: Planes } => {
  const [near, far] = makePlanes("ioi-test-two");
  const stdio: (number | "ignore" | "pipe")[] = ["ignore", "pipe", "ignore"];
  for (const name of ["outMemory", "outBell", "inMemory", "inBell"] as const) {
    stdio[descriptors[name]] = far[name];
  }
  const child = spawn(process.execPath, ["--no-warnings", childMain], {
    stdio: Array.from(stdio, (given) => given ?? "ignore"),
  });
  for (const descriptor of Object.values(far)) fs.closeSync(descriptor);
  return { child, planes: taken(near, inheritedSocket, log) };
};

test("a killed process ends what is waited for, and its memory is gone", async () => {
  const { child, planes } = writing();
  const mapped = (): boolean =>
    fs.readFileSync("/proc/self/maps", "utf8").includes("memfd:ioi-test-two");
  try {
    for (let n = 0n; n < 40n; n++) {
      const bytes = await planes.in?.take({ number: n, length: 200_000 });
      assert.equal(
        bytes?.every((byte) => byte === Number(n)),
        true,
      );
    }
    assert.equal(mapped(), true);
    const ended = once(child, "close");
    child.kill("SIGKILL");
    const drain = async (): Promise<void> => {
      for (let n = 40n; ; n++) await planes.in?.take({ number: n, length: 200_000 });
    };
    await assert.rejects(drain(), { code: "E_DATAPLANE_CLOSED" });
    await ended;
    await planes.out?.closed;
    assert.equal(planes.out?.put(piece(1)), undefined);
    assert.equal(mapped(), false);
  } finally {
    child.kill("SIGKILL");
  }
});
