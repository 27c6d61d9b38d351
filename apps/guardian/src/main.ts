/**
 * The Guardian's process: wiring only. It has no network; what it knows stands in its own folder.
 *
 * Descriptors: see `@ioi/host/process`. The Orchestrator calls over TLS on 5; the person's socket
 * listens on 6.
 */
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { fromHex, InvariantError, type Log, OperationError, toHex } from "@ioi/base";
import {
  ChainSigner,
  Gate,
  GuardianCore,
  goneInstancesMax,
  instancesMax,
  McpRegistry,
  ModelRegistry,
  openGuardianKeys,
  PersonSide,
  type PolicyFile,
  PriceSource,
  PolicySide,
  PolicySourceReader,
  PolicyTexts,
  ReceiptLog,
  receiptsPath,
  SecretStore,
  ScopeSide,
} from "@ioi/guardian";
import { type Credentials, nodeCrypto, wrapServer } from "@ioi/host/crypto";
import { applyNotDumpable } from "@ioi/host/libc";
import {
  localOffsetMinutes,
  openFiles,
  parseUrl,
  systemClock,
  systemRandom,
} from "@ioi/host/ports";
import {
  descriptors,
  dieOn,
  dieOnBug,
  inheritedSocket,
  type KernelProcess,
  runKernelProcess,
  startMetrics,
} from "@ioi/host/process";
import { type Implementation, serve } from "@ioi/host/rpc";
import { driverKind } from "@ioi/wire";
import { Anchors } from "./anchors.ts";
import { carryService } from "./carry.ts";
import { chainService } from "./chain-service.ts";
import { deviceService } from "./device-service.ts";
import { gateService } from "./gate-service.ts";
import { leaseService } from "./lease-service.ts";
import { mcpServersService } from "./mcp-service.ts";
import { modelsService } from "./models-service.ts";
import { observe } from "./observe.ts";
import { takeOffered } from "./offered-keys.ts";
import { PolicyThread } from "./policy-bench.ts";
import { policyService } from "./policy-service.ts";
import { personService } from "./person-service.ts";
import { secretsService } from "./secrets-service.ts";
import { scopesService } from "./scopes-service.ts";

interface Config {
  readonly dir: string;
  readonly credentials: Credentials;
  readonly productFolders: readonly string[];
  readonly home: string;
  readonly devices: readonly string[];
  readonly approveOrigins: readonly string[];
  readonly durable: boolean;
  readonly keysOffered: boolean;
}

const hexBytes = (text: string): Uint8Array => {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new InvariantError("a device key is not hex");
  return bytes;
};

/** A file that a person edits. */
const editedFile = (dir: string, name: "policy.toml" | "prices.toml"): PolicyFile => {
  const file = path.join(dir, name);
  return {
    name,
    stamp: () => {
      const stat = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
      return stat === undefined
        ? undefined
        : `${stat.ino}.${stat.size}.${stat.mtimeNs}.${stat.ctimeNs}`;
    },
    text: () => fs.readFileSync(file, "utf8"),
  };
};

const openCore = async (config: Config, log: Log): Promise<GuardianCore> => {
  const files = openFiles(config.dir);
  const hasReceipts = (await files.stat(receiptsPath)) !== undefined;
  const keys = await openGuardianKeys(files, nodeCrypto, systemClock.wall(), !hasReceipts);
  const core = new GuardianCore(
    {
      clock: systemClock,
      random: systemRandom,
      log,
      provider: nodeCrypto,
      parseUrl,
      localOffsetMinutes,
      fatal: dieOn(log),
    },
    {
      productFolders: config.productFolders,
      home: config.home,
      devices: config.devices.map(hexBytes),
      approveOrigins: config.approveOrigins,
    },
    keys,
    new PolicySourceReader(editedFile(config.dir, "policy.toml"), nodeCrypto),
  );
  const receipts = await ReceiptLog.open(
    {
      files,
      random: systemRandom,
      provider: nodeCrypto,
      identity: keys.identity,
      origin: `ioi/receipts/${toHex(nodeCrypto.sha256(keys.identity.publicKey)).slice(0, 16)}`,
      durable: config.durable,
    },
    (leaf, index) => core.restore(leaf, index),
  );
  core.attach(receipts);
  const secrets = await SecretStore.open({
    files,
    provider: nodeCrypto,
    key: keys.secretsKey,
    nowMs: () => core.wall(),
  });
  if (config.keysOffered) takeOffered(secrets, log);
  core.secrets = secrets;
  const prices = new PriceSource(editedFile(config.dir, "prices.toml"), log);
  core.attachModels(await ModelRegistry.open(files, prices));
  core.attachMcp(await McpRegistry.open(files, nodeCrypto));
  log.log("info", "guardian.opened", {
    receipts: receipts.size,
    cutBytes: receipts.cutBytes,
    durable: config.durable,
  });
  return core;
};

/** What a crash left half done of a change of the policy is ended before anything is decided. */
const openPolicies = async (config: Config, core: GuardianCore): Promise<PolicySide> => {
  const texts = await PolicyTexts.open(openFiles(config.dir), nodeCrypto, core.policyBook.last);
  return new PolicySide(core, texts, new PolicyThread());
};

const openSession = (config: Config, core: GuardianCore): Promise<ChainSigner> =>
  ChainSigner.open({
    files: openFiles(config.dir),
    random: systemRandom,
    provider: nodeCrypto,
    keys: core.keys,
  });

/** The Orchestrator's end: mutual TLS on the inherited socket, then gRPC. */
const serveOrchestrator = (
  config: Config,
  services: readonly Implementation[],
  onBug: (error: unknown) => void,
): void => {
  wrapServer(inheritedSocket(descriptors.peer), {
    credentials: config.credentials,
    peer: "orchestrator",
  }).then((socket) => serve(socket, services, { peer: "orchestrator", onBug }), onBug);
};

const start = async (config: Config, log: Log): Promise<KernelProcess> => {
  applyNotDumpable();
  startMetrics("guardian");
  const onBug = dieOnBug(log);
  const core = await openCore(config, log);
  const policies = await openPolicies(config, core);
  const session = await openSession(config, core);
  observe(core);
  const gate = new Gate(core);
  const person = new PersonSide(core);
  const scopes = new ScopeSide(core);
  const anchors = new Anchors(core, log);
  const carry = carryService({
    credentials: config.credentials,
    gate,
    service: gateService(core, gate),
    anchors,
    log,
    onBug,
  });
  serveOrchestrator(config, [carry, chainService(core, session, anchors)], onBug);
  serve(inheritedSocket(descriptors.egress), [leaseService(gate)], { peer: "egress", onBug });
  const devices = deviceService(core);
  const server = net.createServer((socket) => {
    const services = [
      personService(core, person, anchors),
      scopesService(core, scopes),
      devices,
      secretsService(core),
      modelsService(core),
      policyService(core, policies),
      mcpServersService(core),
    ];
    serve(socket, services, { peer: "person", onBug });
  });
  server.listen({ fd: descriptors.second });
  return {
    hello: () => ({
      name: "guardian",
      identity: core.keys.identity.publicKey,
      bootCertificate: core.keys.bootCertificate,
    }),
    drain: async () => {
      if (core.receipts.uncheckpointed > 0) await core.receipts.checkpoint();
      await core.receipts.close();
      await session.close();
    },
    registerInstance: ({ instanceId, publicKey, kind, session, profileHash, gone }) => {
      const id = toHex(instanceId);
      if (gone) {
        core.instanceGone(id);
        return;
      }
      const known = driverKind.fromCanonical(kind, "kind");
      if (!known.ok) throw new InvariantError("unknown kind of driver");
      if (core.instances.size >= instancesMax + goneInstancesMax) {
        throw new OperationError("E_DRIVERS_FULL", `${core.instances.size} drivers run`);
      }
      core.instances.set(id, {
        publicKey,
        kind: known.value,
        session,
        profileHash,
        burned: new Set(),
        gone: false,
      });
    },
  };
};

await runKernelProcess<Config>("guardian", start);
