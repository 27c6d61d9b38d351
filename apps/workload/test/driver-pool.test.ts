/** Drivers: started once, handed over beside the reply, killed for good. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import test from "node:test";
import { OperationError, toHex } from "@ioi/base";
import { client, connect, implement, serve } from "@ioi/host/rpc";
import { encodeCanonical, pb } from "@ioi/wire";
import { DriverPool } from "../src/driver-pool.ts";
import { quiet } from "./doubles.ts";

interface Launched {
  readonly pool: DriverPool;
  readonly spawned: Uint8Array[];
  readonly killed: string[];
  /** Ends the driver's process. */
  readonly end: (instance: number) => void;
}

const driverService = implement(pb.Driver, {
  prepare: async ({ target }) =>
    target === "fs::read"
      ? { action: new Uint8Array([1]), prepared: new Uint8Array([2]) }
      : { errorCode: "E_TARGET_UNKNOWN", errorMessage: `no ${target}` },
  preview: async () => ({ errorCode: "E_PREVIEW_NONE", errorMessage: "nothing" }),
  async *act() {
    yield { event: { case: "output", value: new Uint8Array([7]) } };
    yield {
      event: {
        case: "result",
        value: { outcome: new Uint8Array([3]), result: encodeCanonical({}) },
      },
    };
  },
  abort: async () => ({}),
  settle: async () => ({ status: "confirmed", reversible: true }),
  refuse: async () => ({}),
  input: async () => ({}),
});

/** A launcher; the socket arrives before the reply where `early`. */
const launch = (early: boolean): Launched => {
  const spawned: Uint8Array[] = [];
  const killed: string[] = [];
  const ends: (() => void)[] = [];
  let hand: (message: unknown, socket: Socket) => void = () => undefined;
  const [near, far] = duplexPair();
  const service = implement(pb.Launcher, {
    spawnDriver: async ({ profile }) => {
      spawned.push(profile);
      const instanceId = new Uint8Array(16).fill(spawned.length);
      const [driverEnd, workloadEnd] = duplexPair();
      serve(driverEnd, [driverService]);
      ends.push(() => {
        for (const end of [driverEnd, workloadEnd]) end.destroy();
      });
      const message = { type: "driver", instanceId: toHex(instanceId) };
      const give = (): void => hand(message, workloadEnd as unknown as Socket);
      if (early) give();
      else setImmediate(() => setImmediate(give));
      return { instanceId };
    },
    killSession: async ({ session }) => {
      killed.push(session);
      return { killed: 1 };
    },
    killDriver: async ({ instanceId }) => {
      killed.push(toHex(instanceId));
      return {};
    },
  });
  serve(far, [service]);
  const pool = new DriverPool(
    client(pb.Launcher, connect(near)),
    (listener) => {
      hand = listener;
    },
    quiet,
  );
  return { pool, spawned, killed, end: (instance) => ends[instance]?.() };
};

const { signal } = new AbortController();
const profile = new Uint8Array([9]);

for (const early of [true, false]) {
  test(`one driver for each session and kind, its socket ${early ? "early" : "late"}`, async () => {
    const { pool, spawned } = launch(early);
    const [first, second] = await Promise.all([
      pool.of("s-1", "files", profile, signal),
      pool.of("s-1", "files", profile, signal),
    ]);
    assert.equal(first, second);
    assert.equal(pool.running("s-1", "files"), first);
    await pool.of("s-1", "exec", profile, signal);
    await pool.of("s-2", "files", profile, signal);
    assert.equal(spawned.length, 3);
    const prepared = await first.prepare("fs::read", encodeCanonical({}), signal);
    assert.deepEqual([...prepared.action], [1]);
    const end = await first.act(new Uint8Array(16), profile, profile, signal);
    assert.deepEqual([end.output.length, [...end.outcome]], [1, [3]]);
    assert.deepEqual((await first.settle(1n, signal)).status, "confirmed");
    await assert.rejects(first.prepare("fs::x", encodeCanonical({}), signal), (error) => {
      assert.ok(error instanceof OperationError);
      return error.code === "E_TARGET_UNKNOWN" && !error.retryable;
    });
    for (const session of ["s-1", "s-2"]) pool.release(session);
    assert.equal(pool.running("s-1", "files"), undefined);
  });
}

test("a driver that ended is started anew, a call to it is retryable", async () => {
  const { pool, spawned, end } = launch(true);
  const driver = await pool.of("s-1", "files", profile, signal);
  end(0);
  await assert.rejects(driver.settle(1n, signal), (error) => {
    assert.ok(error instanceof OperationError);
    return error.retryable;
  });
  await pool.of("s-1", "files", profile, signal);
  assert.equal(spawned.length, 2);
  pool.release("s-1");
});

test("a stopped session gets no driver any more, another one does", async () => {
  const { pool, spawned, killed } = launch(false);
  const starting = pool.of("s-1", "files", profile, signal).catch((error: unknown) => error);
  await pool.kill("s-1", signal);
  await starting;
  assert.deepEqual(killed, ["s-1"]);
  assert.equal(pool.running("s-1", "files"), undefined);
  const refused = await pool.of("s-1", "exec", profile, signal).catch((error: unknown) => error);
  assert.ok(refused instanceof OperationError);
  assert.equal(refused.code, "E_DRIVER_UNAVAILABLE");
  assert.equal(spawned.length, 1);
  // The control: what is refused to the stopped session is given to another.
  await pool.of("s-2", "exec", profile, signal);
  assert.equal(spawned.length, 2);
  pool.release("s-2");
});
