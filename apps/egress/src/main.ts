/**
 * The egress process: the agents' only way out. It holds no file and no key; it opens a connection
 * only for a request that a ticket of the Guardian names.
 *
 * Descriptors: see `@ioi/host/process`. The Guardian's `Leases` is called on 5. The drivers' sockets
 * come over the launcher's channel of this process, each with the name of its driver.
 */
import type { Socket } from "node:net";
import { fromHex, type Log, OperationError } from "@ioi/base";
import { openBootKey } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { systemClock } from "@ioi/host/ports";
import { applyNotDumpable } from "@ioi/host/libc";
import {
  descriptors,
  dieOnBug,
  gauge,
  inheritedSocket,
  type KernelProcess,
  runKernelProcess,
  startMetrics,
} from "@ioi/host/process";
import { client, connect, serve } from "@ioi/host/rpc";
import { bootKey as bootKeySchema, pb, schema, signed } from "@ioi/wire";
import { launcherListeners } from "./listeners.ts";
import { serverResolve, systemResolve } from "./resolve.ts";
import { Egress } from "./service.ts";
import { WaysOut } from "./program/ways-out.ts";
import { launcherAuthorities, Trust } from "./trust.ts";

interface Config {
  /** Hex. */
  readonly guardianIdentity: string;
  readonly bootCertificate: string;
  /** Certificate authorities beside the platform's, in PEM. */
  readonly authorities: readonly string[];
  /** `address:port` of a resolver; the machine's own where absent. */
  readonly resolver?: string;
}

/** What the launcher sends beside a driver's socket. */
interface ClientMessage {
  readonly type: "client";
  /** Hex. */
  readonly instanceId: string;
  readonly session: string;
  readonly kind: string;
}

const isClientMessage = (message: unknown): message is ClientMessage =>
  typeof message === "object" && message !== null && "type" in message && message.type === "client";

const bootKeyOf = (config: Config): Uint8Array => {
  const certificate = schema.decode(signed, fromHex(config.bootCertificate) ?? new Uint8Array(0));
  const identity = fromHex(config.guardianIdentity);
  const opened =
    certificate.ok && identity !== undefined
      ? openBootKey(nodeCrypto, identity, certificate.value, (payload) =>
          schema.decode(bootKeySchema, payload),
        )
      : undefined;
  if (opened?.ok !== true) {
    throw new OperationError("E_PROCESS_CONFIG", "the Guardian's boot key cannot be verified");
  }
  return opened.value.publicKey;
};

const start = async (config: Config, log: Log): Promise<KernelProcess> => {
  applyNotDumpable();
  startMetrics("egress");
  const guardian = connect(inheritedSocket(descriptors.peer));
  const waysOut = new WaysOut(descriptors.second);
  const egress = new Egress({
    provider: nodeCrypto,
    bootKey: bootKeyOf(config),
    leases: client(pb.Leases, guardian),
    ports: {
      resolve: config.resolver === undefined ? systemResolve : serverResolve(config.resolver),
      trust: new Trust(config.authorities, launcherAuthorities, log),
    },
    listener: launcherListeners(),
    takeWayOut: ({ instanceId }, words) => waysOut.take(instanceId, words),
    clock: systemClock,
    log,
  });
  const running = gauge("ioi_egress_requests", "Requests under way.", []);
  const onBug = dieOnBug(log);
  process.on("message", (message: unknown, handle: unknown) => {
    if (!isClientMessage(message) || handle === undefined) return;
    const instanceId = fromHex(message.instanceId);
    if (instanceId === undefined) return;
    const identity = { instanceId, session: message.session, kind: message.kind };
    const served = serve(
      handle as Socket,
      [egress.serviceFor(identity), egress.programsFor(identity)],
      {
        peer: `driver-${message.kind}`,
        onBug,
      },
    );
    void served.closed.then(() => {
      running.set(egress.running);
      waysOut.forget(instanceId);
    });
  });
  return {
    hello: () => ({ name: "egress" }),
    drain: async () => {
      egress.cut("");
    },
    services: [egress.control()],
  };
};

await runKernelProcess<Config>("egress", start);
