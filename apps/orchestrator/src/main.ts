/**
 * The Orchestrator's process: it numbers what is proposed and carries bytes it cannot read. The only
 * process with a network; never session content.
 *
 * Descriptors: see `@ioi/host/process`. The Workload calls on 5; the Guardian is called on 6.
 */
import { type Log, utf8Decode } from "@ioi/base";
import { type Credentials, wrapClient } from "@ioi/host/crypto";
import { takePlanes } from "@ioi/host/dataplane";
import { applyNotDumpable } from "@ioi/host/libc";
import { openFiles, systemRandom } from "@ioi/host/ports";
import {
  descriptors,
  dieOn,
  dieOnBug,
  inheritedSocket,
  type KernelProcess,
  runKernelProcess,
  startMetrics,
} from "@ioi/host/process";
import { client, connect, serve } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { carryService } from "./carry.ts";
import { type ChainConfig, openChain, settleChain } from "./chain.ts";
import { Commitments } from "./commitments.ts";
import { listenHttp } from "./http.ts";
import { listenPublic, ownNodeService } from "./public.ts";
import { Scrapes } from "./scrape.ts";

interface Config extends ChainConfig {
  readonly credentials: Credentials;
  readonly host: string;
  readonly port: number;
  readonly version: string;
  /** Memory shared with the Workload was handed over. */
  readonly planes: boolean;
}

const start = async (config: Config, log: Log): Promise<KernelProcess> => {
  applyNotDumpable();
  startMetrics("orchestrator");
  const onBug = dieOnBug(log);
  const commitments = await Commitments.open(openFiles(config.dir), systemRandom, Date.now());
  const state = { guardian: false, workload: false };
  const guardianSocket = await wrapClient(inheritedSocket(descriptors.second), {
    credentials: config.credentials,
    peer: "guardian",
  });
  const guardian = connect(guardianSocket);
  state.guardian = true;
  guardian.closed.then(() => {
    state.guardian = false;
  }, onBug);
  const signer = client(pb.ChainSigner, guardian);
  const chain = await openChain(config, signer, log, dieOn(log));
  const carry = carryService({
    onPoisoned: dieOn(log),
    guardian: client(pb.Carry, guardian),
    commitments,
    planes: takePlanes(config.planes ? descriptors : undefined, inheritedSocket, log),
    onCheckpoint: (note) => {
      chain.offer(utf8Decode(note) ?? "");
    },
    onCarrying: (carrying) => {
      state.workload = carrying;
    },
  });
  const workload = serve(inheritedSocket(descriptors.peer), [carry], { peer: "workload", onBug });
  workload.closed.then(() => {
    state.workload = false;
  }, onBug);
  const ready = (): boolean => state.guardian && state.workload;
  const rpcAddress = await listenPublic(config, { ready, chain });
  const scrapes = new Scrapes();
  const httpAddress = await listenHttp({
    host: config.host,
    ready,
    others: () => scrapes.others(),
  });
  chain.start(onBug);
  return {
    services: [scrapes.service, ownNodeService(config, { ready, chain })],
    hello: () => ({ name: "orchestrator", rpcAddress, httpAddress }),
    drain: async () => {
      await settleChain(chain, signer, log);
      await chain.close();
      await commitments.close();
    },
  };
};

await runKernelProcess<Config>("orchestrator", start);
