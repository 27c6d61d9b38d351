/**
 * `bench gate`: one action from the start of its `prepare` to the ticket in hand, through the real
 * processes: driver, Workload, Orchestrator, Guardian and back, with the INTENT leaf synced
 * (`durable`) and, on another kernel, not synced (`volatile`).
 *
 * Peers of the same run: a bare fdatasync of a record of the same size on the same disk, and a
 * unary call through grpc-js over a Unix socket.
 */
import fs from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { OperationError } from "@ioi/base";
import { ioi, Scratch, TestKernel } from "../lib/kernel.ts";
import { quantile, rounded } from "../lib/statistics.ts";
import type { Bench, BenchPeer } from "./bench.ts";

interface Timing {
  readonly gateUs: number;
  readonly decideUs: number;
  readonly syncUs: number;
  readonly signUs: number;
}

/**
 * Actions in one session, as many as the length of its words allows. A session has a driver process
 * of its own: the first hundreds of its actions run code that the runtime has not compiled yet.
 */
const perSession = 1000;

const generousPolicy = (data: string): void => {
  const file = `${data}/guardian/policy.toml`;
  const text = fs.readFileSync(file, "utf8");
  const generous = text.replace(/^actions = \d+$/m, "actions = 100000");
  if (generous === text)
    throw new OperationError("E_TEST", "the policy names no budget of actions");
  fs.writeFileSync(file, generous);
};

const measure = async (
  scratch: Scratch,
  name: string,
  durable: boolean,
  actions: number,
  progress: (text: string) => void,
): Promise<readonly Timing[]> => {
  const data = scratch.at(name);
  const workspace = scratch.folder(`${name}-work`);
  for (let i = 0; i < perSession; i++) fs.writeFileSync(`${workspace}/f${i}.txt`, `${i}\n`);
  await using kernel = await TestKernel.start({ data, durable });
  generousPolicy(data);
  const words = Array.from({ length: perSession }, (_, i) => `/stat f${i}.txt`).join(" && ");
  const timings: Timing[] = [];
  // The first session warms every process up and does not count.
  for (let session = -1; timings.length < actions; session++) {
    const args = ["run", "--data", kernel.data, "--workspace", workspace, "--json", words];
    const { code, json, stderr } = await ioi(args);
    if (code !== 0) throw new OperationError("E_TEST", `run ended with ${code}: ${stderr}`);
    const { actions: done } = json as { actions: readonly { timing: Timing | null }[] };
    if (session < 0) continue;
    // The first action of a session waits for its driver to start; that is no part of the gate.
    for (const { timing } of done.slice(1)) if (timing !== null) timings.push(timing);
    progress(`${name}: ${timings.length} of ${actions}`);
  }
  return timings.slice(0, actions);
};

const rawSync = (scratch: Scratch): BenchPeer => {
  const fd = fs.openSync(scratch.at("raw"), "a");
  const record = Buffer.alloc(900, 1);
  const times: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const began = performance.now();
    fs.writeSync(fd, record);
    fs.fdatasyncSync(fd);
    times.push(performance.now() - began);
  }
  fs.closeSync(fd);
  return {
    name: "fdatasync",
    version: process.version,
    available: true,
    metrics: { p50Ms: rounded(quantile(times, 0.5)), p99Ms: rounded(quantile(times, 0.99)) },
  };
};

const grpcUnary = async (scratch: Scratch): Promise<BenchPeer> => {
  const bytes = (value: Buffer): Buffer => value;
  const method = {
    path: "/bench.Echo/Echo",
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  const server = new grpc.Server();
  server.addService(
    { echo: method },
    {
      echo: (call: grpc.ServerUnaryCall<Buffer, Buffer>, reply: grpc.sendUnaryData<Buffer>) =>
        reply(null, call.request),
    },
  );
  const address = `unix:${scratch.at("echo.sock")}`;
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  );
  const caller = new grpc.Client(address, grpc.credentials.createInsecure());
  const payload = Buffer.alloc(900, 1);
  const times: number[] = [];
  for (let i = 0; i < 1100; i++) {
    const began = performance.now();
    await new Promise<void>((resolve, reject) =>
      caller.makeUnaryRequest(method.path, bytes, bytes, payload, (error) =>
        error ? reject(error) : resolve(),
      ),
    );
    if (i >= 100) times.push(performance.now() - began);
  }
  caller.close();
  server.forceShutdown();
  return {
    name: "grpc-js",
    version: "1.14.7",
    available: true,
    metrics: { p50Ms: rounded(quantile(times, 0.5)), p99Ms: rounded(quantile(times, 0.99)) },
  };
};

const msOf = (timings: readonly Timing[], part: keyof Timing, q: number): number =>
  rounded(
    quantile(
      timings.map((timing) => timing[part] / 1000),
      q,
    ),
  );

export const bench: Bench = {
  name: "gate",
  summary: "prepare, propose, decide, durable INTENT, ticket: the whole gate, for one action",
  async run(context) {
    const actions = Number(context.params["actions"] ?? (context.quick ? 500 : 2000));
    using scratch = new Scratch();
    const durable = await measure(scratch, "durable", true, actions, context.progress);
    const volatile = await measure(scratch, "volatile", false, actions, context.progress);
    const sync = rawSync(scratch);
    const unary = await grpcUnary(scratch);
    const durableP50Ms = msOf(durable, "gateUs", 0.5);
    const chunks = Array.from({ length: 5 }, (_, i) =>
      durable.slice((i * actions) / 5, ((i + 1) * actions) / 5),
    );
    const spreadFor = (q: number) => {
      const values = chunks.map((chunk) => msOf(chunk, "gateUs", q));
      return { min: Math.min(...values), max: Math.max(...values) };
    };
    return {
      metrics: {
        durableP50Ms,
        durableP99Ms: msOf(durable, "gateUs", 0.99),
        volatileP50Ms: msOf(volatile, "gateUs", 0.5),
        volatileP99Ms: msOf(volatile, "gateUs", 0.99),
        rpcP99Ms: rounded(
          quantile(
            durable.map((t) => (t.gateUs - t.decideUs - t.syncUs - t.signUs) / 1000),
            0.99,
          ),
        ),
        decideP99Ms: msOf(durable, "decideUs", 0.99),
        signP99Ms: msOf(durable, "signUs", 0.99),
        fsyncP99Ms: msOf(durable, "syncUs", 0.99),
      },
      spread: { durableP50Ms: spreadFor(0.5), durableP99Ms: spreadFor(0.99) },
      peers: [
        {
          ...sync,
          ratio: rounded(Number(sync.metrics["p50Ms"]) / durableP50Ms),
        },
        {
          ...unary,
          ratio: rounded(Number(unary.metrics["p50Ms"]) / durableP50Ms),
        },
      ],
      goals: [
        { metric: "durableP50Ms", op: "<=", value: 1.5 },
        { metric: "durableP99Ms", op: "<=", value: 8 },
        { metric: "volatileP50Ms", op: "<=", value: 1 },
        { metric: "volatileP99Ms", op: "<=", value: 4 },
      ],
      runs: 1,
      params: { actions, target: "fs::stat", perSession },
    };
  },
};
