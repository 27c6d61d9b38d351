/**
 * The workload: performs what the Guardian permits. It has no network; it reaches the Guardian
 * through the Orchestrator, its drivers through sockets that the launcher hands over, and the person
 * through a Unix socket that it inherits.
 */
import net from "node:net";
import path from "node:path";
import { type Log, OperationError, steadyWall } from "@ioi/base";
import type { Credentials } from "@ioi/host/crypto";
import { takePlanes } from "@ioi/host/dataplane";
import { openFiles, openKeyValue, systemClock } from "@ioi/host/ports";
import {
  descriptors,
  dieOnBug,
  inheritedSocket,
  type KernelProcess,
  runKernelProcess,
  startMetrics,
} from "@ioi/host/process";
import { client, connect, type Implementation, serve } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { checkRegistries } from "./arguments.ts";
import { DriverPool, parentSockets } from "./driver-pool.ts";
import type { SessionClock } from "./ends.ts";
import { GateClient } from "./gate-client.ts";
import { Decisions } from "./mcp-decisions.ts";
import { mcpGatesService } from "./mcp-service.ts";
import { processMetrics } from "./metrics.ts";
import { sessionsService } from "./service.ts";
import { Sessions } from "./sessions.ts";
import { Journals, KeptContents, SessionIndex } from "./store.ts";

/** What the launcher tells this process. */
interface WorkloadConfig {
  readonly dir: string;
  readonly dataFolder: string;
  readonly credentials: Credentials;
  readonly version: string;
  /** Absolute path behind `~`. */
  readonly home: string;
  /** Memory shared with the Orchestrator was handed over. */
  readonly planes: boolean;
}

const sessionClock = (): SessionClock => ({
  nowMs: steadyWall(systemClock),
  nowUs: () => performance.now() * 1000,
});

/** Serves the person's calls on the inherited listening socket. */
const listen = (services: readonly Implementation[], log: Log): net.Server => {
  const server = net.createServer((socket) => {
    serve(socket, services, { peer: "person", onBug: dieOnBug(log) });
  });
  server.on("error", (error) => {
    throw new OperationError("E_PROCESS_CONFIG", "the sessions' socket cannot be served", {
      cause: error,
    });
  });
  server.listen({ fd: descriptors.second });
  return server;
};

const start = async (config: WorkloadConfig, log: Log): Promise<KernelProcess> => {
  checkRegistries();
  startMetrics("workload");
  const files = openFiles(config.dir);
  for (const folder of ["journals", "contents"]) {
    if ((await files.stat(folder)) !== undefined) continue;
    await files.makeDirectory(folder, 0o700);
    await files.syncDirectory("");
  }
  const store = await openKeyValue(path.join(config.dir, "index"));
  const { credentials, home } = config;
  const carrier = connect(inheritedSocket(descriptors.peer));
  const planes = takePlanes(config.planes ? descriptors : undefined, inheritedSocket, log);
  const gate = new GateClient({ carrier, credentials, log, planes });
  const launcher = client(pb.Launcher, connect(inheritedSocket(descriptors.launcher)));
  const drivers = new DriverPool(launcher, parentSockets, log);
  const sessions = new Sessions({
    ends: { gate, drivers, clock: sessionClock(), home, log, metrics: processMetrics() },
    gate,
    journals: new Journals(files),
    contents: new KeptContents(files),
    index: new SessionIndex(store),
    log,
  });
  await sessions.recover();
  const gates = mcpGatesService({ gate, drivers, decisions: new Decisions(gate), log });
  const server = listen([sessionsService(sessions), gates], log);
  return {
    hello: () => ({ name: "workload" }),
    drain: async () => {
      server.close();
      await sessions.drain();
      gate.close();
      await store[Symbol.asyncDispose]();
    },
  };
};

await runKernelProcess<WorkloadConfig>("workload", start);
