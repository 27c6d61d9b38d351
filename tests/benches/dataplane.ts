/**
 * `bench dataplane`: messages of 64 KiB from one process to another through shared memory, bare, with
 * checksum, and sealed; and through grpc-js over a Unix socket as its peer, in the same run. Every
 * message is counted by the number that it carries.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import type net from "node:net";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { InvariantError, type Log, OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  makePlanes,
  type PlaneKind,
  PlaneReader,
  regionBytes,
  SharedRegion,
  takePlanes,
} from "@ioi/host/dataplane";
import { descriptors, inheritedSocket } from "@ioi/host/process";
import { implement, serve } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { grpcPath, messageBytes, planeOf } from "../lib/dataplane/shape.ts";
import { Scratch } from "../lib/kernel.ts";
import { quantile, rounded } from "../lib/statistics.ts";
import type { Bench } from "./bench.ts";

const carrierMain = fileURLToPath(new URL("../lib/dataplane/carrier.ts", import.meta.url));
/** Pieces as the tunnel has them: a record of TLS, several, and as many as travel together. */
const carriedBytes = [4_096, 16_384, 32_768, 65_536, 131_072, 262_144] as const;

const writerMain = fileURLToPath(new URL("../lib/dataplane/writer.ts", import.meta.url));

const startWriter = (args: readonly string[], region?: SharedRegion) =>
  spawn(process.execPath, ["--no-warnings", writerMain, ...args], {
    stdio: ["ignore", "inherit", "inherit", "pipe", region?.descriptor ?? "ignore"],
  });

/** Counts messages and measures from the first tenth on: until then both ends warm up. */
class Meter {
  readonly #messages: number;
  #seen = 0;
  #fromMs = 0;
  gBps = 0;

  constructor(messages: number) {
    this.#messages = messages;
  }

  /** True for the last one. */
  take(message: Uint8Array): boolean {
    const number = new DataView(message.buffer, message.byteOffset).getUint32(0, true);
    if (number !== this.#seen || message.length !== messageBytes) {
      throw new InvariantError(`message ${number} where ${this.#seen} was due`);
    }
    this.#seen++;
    const warm = Math.floor(this.#messages / 10);
    if (this.#seen === warm) this.#fromMs = performance.now();
    if (this.#seen < this.#messages) return false;
    const seconds = (performance.now() - this.#fromMs) / 1000;
    this.gBps = ((this.#messages - warm) * messageBytes) / seconds / 1e9;
    return true;
  }
}

const throughPlane = async (kind: PlaneKind, messages: number): Promise<number> => {
  const region = SharedRegion.create("ioi-bench", regionBytes(planeOf));
  const key = kind.type === "sealed" ? Buffer.from(kind.key).toString("hex") : "-";
  const child = startWriter([kind.type, key, String(messages)], region);
  const ended = once(child, "close");
  const bell = child.stdio[3] as net.Socket;
  const reader = new PlaneReader({ region, bell, kind, shape: planeOf });
  const meter = new Meter(messages);
  while (!meter.take(await reader.borrow()));
  reader.close();
  await ended;
  return meter.gBps;
};

const throughGrpc = async (scratch: Scratch, messages: number): Promise<number> => {
  const bytes = (value: Buffer): Buffer => value;
  const meter = new Meter(messages);
  const server = new grpc.Server();
  const send = {
    path: grpcPath,
    requestStream: true,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  server.addService(
    { send },
    {
      send: (
        call: grpc.ServerReadableStream<Buffer, Buffer>,
        reply: grpc.sendUnaryData<Buffer>,
      ) => {
        call.on("data", (message: Buffer) => void meter.take(message));
        call.on("end", () => reply(null, Buffer.alloc(0)));
      },
    },
  );
  const address = `unix:${scratch.at("bulk.sock")}`;
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  );
  const [code] = (await once(startWriter(["grpc", address, String(messages)]), "close")) as [
    number,
  ];
  server.forceShutdown();
  if (code !== 0) throw new OperationError("E_TEST", `the writer ended with ${code}`);
  return meter.gBps;
};

/** Microseconds between pieces of each size, as `carrier.ts` sends them. */
const carriedUs = async (how: "frame" | "memory", pieces: number): Promise<readonly number[]> => {
  const [near, far] = makePlanes("ioi-bench");
  const stdio: (number | "ignore" | "inherit" | "pipe")[] = [
    "ignore",
    "inherit",
    "inherit",
    "pipe",
  ];
  for (const name of ["outMemory", "outBell", "inMemory", "inBell"] as const) {
    stdio[descriptors[name]] = far[name];
  }
  const child = spawn(
    process.execPath,
    ["--no-warnings", carrierMain, how, carriedBytes.join(), String(pieces)],
    { stdio: Array.from(stdio, (given) => given ?? "ignore") },
  );
  for (const descriptor of Object.values(far)) fs.closeSync(descriptor);
  const ended = once(child, "close");
  const log: Log = { log: () => undefined, child: () => log };
  const planes = takePlanes(near, inheritedSocket, log);
  const times = carriedBytes.map((): number[] => []);
  const carry = implement(pb.Carry, {
    carry: async function* (frames) {
      let last = 0;
      let seen = 0;
      for await (const { frame } of frames) {
        const piece = frame.case === "bulk" ? await planes.in?.take(frame.value) : frame.value;
        const size = Math.floor(seen / pieces);
        const isDue =
          piece instanceof Uint8Array &&
          piece.length === carriedBytes[size] &&
          new DataView(piece.buffer, piece.byteOffset).getUint32(0, true) === seen;
        if (!isDue) throw new InvariantError(`piece ${seen} is not what was sent`);
        const now = performance.now();
        if (seen % pieces > pieces / 10) times[size]?.push((now - last) * 1000);
        last = now;
        seen++;
        yield { frame: { case: "tls", value: new Uint8Array(1) } };
      }
    },
  });
  const served = serve(child.stdio[3] as net.Socket, [carry], { peer: "bench" });
  const [code] = (await ended) as [number];
  await served.closed;
  if (code !== 0) throw new OperationError("E_TEST", `the carrier ended with ${code}`);
  return times.map((each) => quantile(each, 0.5));
};

/** Medians of both ways by size, and the smallest size from which memory is always faster. */
const throughCarry = async (runs: number, pieces: number): Promise<Record<string, number>> => {
  const found = carriedBytes.map(() => ({ frame: [] as number[], memory: [] as number[] }));
  for (let run = 0; run < runs; run++) {
    for (const how of ["frame", "memory"] as const) {
      const times = await carriedUs(how, pieces);
      for (const [i, us] of times.entries()) found[i]?.[how].push(us);
    }
  }
  const metrics: Record<string, number> = {};
  let evenBytes = 0;
  for (const [i, bytes] of carriedBytes.entries()) {
    const { frame = [], memory = [] } = found[i] ?? {};
    const [frameUs, memoryUs] = [rounded(quantile(frame, 0.5)), rounded(quantile(memory, 0.5))];
    metrics[`frameUs${bytes >> 10}k`] = frameUs;
    metrics[`memoryUs${bytes >> 10}k`] = memoryUs;
    if (memoryUs >= frameUs) evenBytes = 0;
    else if (evenBytes === 0) evenBytes = bytes;
  }
  return { ...metrics, evenBytes };
};

export const bench: Bench = {
  name: "dataplane",
  summary: "64 KiB messages between two processes: shared memory bare, checked, sealed; grpc-js",
  async run({ quick, params, progress }) {
    using scratch = new Scratch();
    const messages = Number(params["messages"] ?? (quick ? 10_000 : 50_000));
    const runs = Number(params["runs"] ?? (quick ? 3 : 5));
    const found = { raw: [], checked: [], sealed: [], grpc: [] } as Record<
      "raw" | "checked" | "sealed" | "grpc",
      number[]
    >;
    // In turn, so that a slow moment of the machine meets all of them.
    for (let run = 0; run < runs; run++) {
      found.raw.push(await throughPlane({ type: "raw" }, messages));
      found.checked.push(await throughPlane({ type: "checked" }, messages));
      const key = nodeCrypto.randomBytes(32);
      found.sealed.push(await throughPlane({ type: "sealed", key }, messages));
      found.grpc.push(await throughGrpc(scratch, Math.ceil(messages / 10)));
      progress(`${run + 1} of ${runs}`);
    }
    const median = (values: readonly number[]): number => rounded(quantile(values, 0.5));
    const spreadOf = (values: readonly number[]) => ({
      min: rounded(Math.min(...values)),
      max: rounded(Math.max(...values)),
    });
    const [sealedGBps, grpcGBps] = [median(found.sealed), median(found.grpc)];
    const carried = await throughCarry(runs, Math.ceil(messages / 25));
    const ratioSealed = rounded(sealedGBps / grpcGBps);
    return {
      metrics: {
        rawGBps: median(found.raw),
        checkedGBps: median(found.checked),
        sealedGBps,
        grpcGBps,
        ratioSealed,
        ...carried,
      },
      spread: {
        rawGBps: spreadOf(found.raw),
        checkedGBps: spreadOf(found.checked),
        sealedGBps: spreadOf(found.sealed),
        grpcGBps: spreadOf(found.grpc),
      },
      peers: [
        {
          name: "grpc-js",
          version: "1.14.7",
          available: true,
          metrics: { GBps: grpcGBps },
          ratio: ratioSealed,
        },
      ],
      goals: [
        { metric: "rawGBps", op: ">=", value: 5 },
        { metric: "checkedGBps", op: ">=", value: 3 },
        { metric: "sealedGBps", op: ">=", value: 1.5 },
        { metric: "ratioSealed", op: ">=", value: 5 },
      ],
      runs,
      params: { messageBytes, messages, slots: planeOf.slots },
    };
  },
};
