/** Shared memory between two ends, either of which may die, lie, or write while the other reads. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import type net from "node:net";
import { Duplex } from "node:stream";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import {
  type PlaneKind,
  planeMessageBytesMax,
  PlaneReader,
  PlaneWriter,
  type PlaneShape,
  regionBytes,
  SharedRegion,
} from "@ioi/host/dataplane";
import { nodeCrypto } from "@ioi/host/crypto";
import { cString, nr, syscall } from "@ioi/host/libc";
import { placeOf, slotWord } from "../src/dataplane/slots.ts";

const seed = Number(process.env["IOI_SEED"] ?? 64);
const shape: PlaneShape = { slots: 4, slotBytes: 16_384 };
const key = nodeCrypto.randomBytes(32);
const kinds: Readonly<Record<"raw" | "checked" | "sealed", PlaneKind>> = {
  raw: { type: "raw" },
  checked: { type: "checked" },
  sealed: { type: "sealed", key },
};
const names = ["raw", "checked", "sealed"] as const;

/** Two ends of a bell. */
const bells = (): readonly [Duplex, Duplex] => {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        if (!other().destroyed) other().push(chunk);
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

/** Writer, reader, and a third view of the same memory: what a hostile end can do. */
const pair = (kind: PlaneKind, of: PlaneShape = shape) => {
  const region = SharedRegion.create("ioi-test", regionBytes(of));
  const open = (): SharedRegion =>
    SharedRegion.open(fs.openSync(`/proc/self/fd/${region.descriptor}`, "r+"), regionBytes(of));
  const [near, far] = bells();
  return {
    hostile: region,
    bell: near,
    writer: new PlaneWriter({ region: open(), bell: near, kind, shape: of }),
    reader: new PlaneReader({ region: open(), bell: far, kind, shape: of }),
  };
};

describe("the data plane", () => {
  for (const name of names) {
    it(`carries any messages in order (${name})`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 1, maxLength: 12 }),
          fc.integer({ min: 1, max: 8 }),
          async (lengths, slots) => {
            const of = { slots: slots * 4, slotBytes: 16_384 };
            const { writer, reader, hostile } = pair(kinds[name], of);
            const sent = lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
            const sending = Promise.all(sent.map((message) => writer.send(message)));
            for (const message of sent) {
              assert.deepEqual(Uint8Array.from(await reader.receive()), message);
            }
            await sending;
            writer.close();
            await reader.closed;
            hostile.release();
          },
        ),
        { seed, numRuns: 25 },
      );
    });
  }

  it("waits for a reader that takes nothing: no more than its slots are used", async () => {
    const { writer, reader } = pair(kinds.checked);
    let placed = 0;
    const sending = Array.from({ length: 10 }, async () => {
      await writer.send(new Uint8Array(10));
      placed++;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(placed, shape.slots);
    for (let i = 0; i < 10; i++) await reader.receive();
    await Promise.all(sending);
    writer.close();
  });

  it("refuses a message above the bound", async () => {
    const { writer } = pair(kinds.raw);
    const large = new Uint8Array(planeMessageBytesMax + 1);
    await assert.rejects(writer.send(large), { code: "E_RPC_TOO_LARGE" });
    writer.close();
  });
});

const firstPlace = placeOf(0, shape);
const afterOne = async (kind: PlaneKind, spoil: (region: SharedRegion) => void) => {
  const { writer, reader, hostile } = pair(kind);
  await writer.send(new Uint8Array(5000).fill(7));
  spoil(hostile);
  return { reader, hostile };
};
const changeByte = ({ bytes }: SharedRegion): void => {
  bytes[firstPlace.offset + 4321] = 8;
};

describe("an end that lies", () => {
  for (const name of ["checked", "sealed"] as const) {
    it(`a byte changed behind the writer is found (${name})`, async () => {
      const { reader } = await afterOne(kinds[name], changeByte);
      await assert.rejects(reader.receive(), { code: "E_DATAPLANE_BROKEN" });
      await assert.rejects(reader.receive(), { code: "E_DATAPLANE_BROKEN" }, "it stays over");
    });
  }

  it("the control: without a checksum it is not", async () => {
    const { reader } = await afterOne(kinds.raw, changeByte);
    assert.equal((await reader.receive())[4321], 8);
    reader.close();
  });

  it("who changes content and checksum is found by the seal; the control: not by a checksum", async () => {
    const lie = async (kind: PlaneKind) => {
      const { reader, hostile } = await afterOne(kind, () => undefined);
      // The same change, made by a writer of the same kind without the key.
      const other = pair(
        kind.type === "sealed" ? { type: "sealed", key: nodeCrypto.randomBytes(32) } : kind,
      );
      await other.writer.send(new Uint8Array(5000).fill(8));
      hostile.words.set(
        other.hostile.words.subarray(firstPlace.words, firstPlace.words + 16),
        firstPlace.words,
      );
      hostile.bytes.set(
        other.hostile.bytes.subarray(firstPlace.offset, firstPlace.offset + 5000),
        firstPlace.offset,
      );
      return reader.receive();
    };
    assert.equal((await lie(kinds.checked))[0], 8);
    await assert.rejects(lie(kinds.sealed), { code: "E_DATAPLANE_BROKEN" });
  });

  for (const [what, word, value] of [
    ["a length beyond the slot", slotWord.length, shape.slotBytes + 1],
    ["a negative length", slotWord.length, -1],
    ["unknown flags", slotWord.flags, 6],
    ["a generation that goes back", slotWord.turn, -1],
    ["a generation of the future", slotWord.turn, 3],
  ] as const) {
    it(`${what} ends the plane and releases its memory`, async () => {
      const { reader } = await afterOne(kinds.raw, ({ words }) => {
        words[firstPlace.words + word] = value;
      });
      await assert.rejects(reader.receive(), { code: "E_DATAPLANE_BROKEN" });
      await reader.closed;
    });
  }

  it("a message without an end is cut off at the bound", async () => {
    const { bell, reader, hostile } = pair(kinds.raw);
    const flood = (async () => {
      for (let n = 0; n * shape.slotBytes <= planeMessageBytesMax; n++) {
        const place = placeOf(n, shape);
        while (Atomics.load(hostile.words, place.words) !== place.free) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        hostile.words[place.words + slotWord.length] = shape.slotBytes;
        hostile.words[place.words + slotWord.flags] = 1;
        Atomics.store(hostile.words, place.words, place.full);
        bell.write("!");
      }
    })();
    await assert.rejects(reader.receive(), { code: "E_DATAPLANE_BROKEN" });
    await flood;
  });

  it("memory that its maker can still shrink is not used", () => {
    const bytes = regionBytes(shape);
    const made = syscall(nr.memfd_create, cString("ioi-loose"), 1);
    assert.ok(made.ok);
    const loose = Number(made.value);
    fs.ftruncateSync(loose, bytes);
    assert.throws(() => SharedRegion.open(loose, bytes), { code: "E_DATAPLANE_REGION" });
    fs.closeSync(loose);
    using region = SharedRegion.create("ioi-tight", bytes);
    assert.throws(() => fs.ftruncateSync(region.descriptor, 0), { code: "EPERM" });
    assert.throws(() => SharedRegion.open(region.descriptor, 2 * bytes), {
      code: "E_DATAPLANE_REGION",
    });
  });
});

const childMain = fileURLToPath(new URL("./dataplane-child.ts", import.meta.url));

interface Other extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly bell: Duplex;
  readonly region: SharedRegion;
  readonly said: Promise<unknown>;
}

const other = (mode: "write" | "read", kind: (typeof names)[number], messages: number): Other => {
  const region = SharedRegion.create("ioi-two", regionBytes(shape));
  const task = {
    mode,
    kind,
    key: Buffer.from(key).toString("hex"),
    shape,
    messages,
    bytes: 40_000,
  };
  const child = spawn(process.execPath, ["--no-warnings", childMain, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit", "pipe", region.descriptor],
  });
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = once(child, "close");
  return {
    child,
    bell: child.stdio[3] as net.Socket,
    region,
    said: ended.then(() => JSON.parse(text === "" ? "null" : text) as unknown),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
};

const mapped = (): boolean => fs.readFileSync("/proc/self/maps", "utf8").includes("memfd:ioi-two");

describe("the data plane between two processes", () => {
  for (const name of names) {
    it(`carries messages of more than one slot (${name})`, async () => {
      await using writing = other("write", name, 300);
      const reader = new PlaneReader({ ...writing, kind: kinds[name], shape });
      for (let i = 0; i < 300; i++) {
        const message = await reader.receive();
        assert.deepEqual(
          [message.length, message[0], message[39_999]],
          [40_000, i & 0xff, i & 0xff],
        );
      }
      reader.close();
    });
  }

  it("a killed writer frees the memory of its reader", async () => {
    await using writing = other("write", "checked", 1_000_000);
    const reader = new PlaneReader({ ...writing, kind: kinds.checked, shape });
    for (let i = 0; i < 50; i++) await reader.receive();
    assert.equal(mapped(), true);
    writing.child.kill("SIGKILL");
    const drain = async () => {
      for (;;) await reader.receive();
    };
    await assert.rejects(drain(), { code: "E_DATAPLANE_CLOSED" });
    await reader.closed;
    assert.equal(mapped(), false);
    assert.equal(writing.region.descriptor, -1);
  });

  it("a killed reader frees the memory of its writer, and a waiting message fails", async () => {
    await using reading = other("read", "checked", 1_000_000);
    const writer = new PlaneWriter({ ...reading, kind: kinds.checked, shape });
    for (let i = 0; i < 50; i++) await writer.send(new Uint8Array(1000));
    reading.child.kill("SIGKILL");
    const fill = async () => {
      for (;;) await writer.send(new Uint8Array(1000));
    };
    await assert.rejects(fill(), { code: "E_DATAPLANE_CLOSED" });
    await writer.closed;
    assert.equal(mapped(), false);
  });

  it("a reader in another process is told when the writer closes", async () => {
    const reading = other("read", "sealed", 100);
    const writer = new PlaneWriter({ ...reading, kind: kinds.sealed, shape });
    await writer.send(new Uint8Array(5));
    writer.close();
    assert.deepEqual(await reading.said, { code: "E_DATAPLANE_CLOSED" });
  });
});
