/**
 * Drivers: one child for each kind and session, started on a profile that the Guardian signed.
 *
 * The launcher makes the instance key, gives its seed to the driver and its public half to the
 * Guardian, and hands the Workload the other end of the driver's socket. It never sees an action.
 */
import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { equalBytes, type Log, OperationError, toHex } from "@ioi/base";
import { domainHash, domains, verifyThroughBootKey } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { messagePair, socketPair } from "@ioi/host/libc";
import { endSandbox, kindProfiles, type SandboxSpec, spawnSandboxed } from "@ioi/host/sandbox";
import { bootKey, pb, type Profile, profile as profileSchema, schema, signed } from "@ioi/wire";
import { asDriver, giveMemory, giveVault, type Identities } from "./identities.ts";
import { startAgentProgram } from "./agent-program.ts";
import type { Kernel } from "./boot.ts";
import { driversMax } from "./limits.ts";
import type { LogFiles } from "./log-files.ts";

interface RunningDriver {
  readonly child: ChildProcess;
  readonly session: string;
  /** Name of the folder that keeps what its undo needs; an undo uses another session's. */
  readonly vault: string;
  readonly kind: string;
  readonly instanceId: Uint8Array;
}

const driverMain = fileURLToPath(new URL("../../../packages/drivers/src/main.ts", import.meta.url));
/** What a driver reads: its socket and its start-up line. */
const driverSocket = 3;
const driverConfig = 4;
/**
 * A pair to egress, for drivers that may make requests; theirs is descriptor 5. Those that start
 * programs with a network have a second one on 6, over which these programs' sandboxes send their way
 * out.
 */
const [driverEnd, egressEnd] = [0, 1] as const;

/**
 * Folders of the data folder that no driver ever sees, even where the workspace holds them; but for
 * the one whose kind has its name.
 */
const hiddenFolders = [
  "device",
  "guardian",
  "identity",
  "logs",
  "memory",
  "orchestrator",
  "run",
  "workload",
] as const;

/** A driver that makes requests keeps notes of its own, and sees none of the copies of others. */
const vaultFolder = (dataFolder: string, { vault, kind, network }: Profile): string => {
  const session = path.join(dataFolder, "vault", vault);
  return network === "egress" || kind === "memory" ? path.join(session, kind) : session;
};

/** Where the memory file stands; only its driver sees it. */
const memoryFolder = (dataFolder: string, { kind }: Profile): string | undefined =>
  kind === "memory" ? path.join(dataFolder, "memory") : undefined;

export class Drivers {
  readonly #dataFolder: string;
  readonly #logs: LogFiles;
  readonly #log: Log;
  readonly #userUmask: number;
  readonly #identities: Identities | undefined;
  readonly #running: Set<RunningDriver> = new Set();
  /** Stops so far, and the newest of them. */
  #stops = 0;
  readonly #lastStops: { readonly at: number; readonly session: string | undefined }[] = [];
  #hello: pb.HelloReply | undefined;

  constructor(
    dataFolder: string,
    logs: LogFiles,
    log: Log,
    userUmask: number,
    identities?: Identities,
  ) {
    this.#identities = identities;
    this.#dataFolder = dataFolder;
    this.#userUmask = userUmask;
    this.#logs = logs;
    this.#log = log;
  }

  /** Whose profiles are obeyed from now on. */
  trust(hello: pb.HelloReply): void {
    this.#hello = hello;
  }

  get running(): readonly RunningDriver[] {
    return [...this.#running];
  }

  async spawn(kernel: Kernel, signedProfile: Uint8Array): Promise<Uint8Array> {
    if (this.#running.size >= driversMax) {
      throw new OperationError("E_DRIVERS_FULL", `${this.#running.size} drivers run`);
    }
    const { profile, hash } = this.#verified(signedProfile);
    for (const root of profile.roots) this.#checkRoot(root.path);
    if (profile.kind === "agent") return this.#spawnAgent(kernel, profile);
    if (!/^s-[0-9a-f]{12}$/.test(profile.vault)) {
      throw new OperationError("E_DRIVER_REFUSED", "the vault has no session's name");
    }
    const vault = vaultFolder(this.#dataFolder, profile);
    fs.mkdirSync(vault, { mode: 0o700, recursive: true });
    const memory = memoryFolder(this.#dataFolder, profile);
    if (memory !== undefined) fs.mkdirSync(memory, { mode: 0o700, recursive: true });
    if (this.#identities !== undefined) {
      giveVault(path.join(this.#dataFolder, "vault", profile.vault), vault, this.#identities);
      if (memory !== undefined) giveMemory(memory, this.#identities);
    }
    const instanceId = nodeCrypto.randomBytes(16);
    const key = nodeCrypto.generate("ed25519");
    const stopsBefore = this.#stops;
    await kernel.guardian.registerInstance({
      instanceId,
      publicKey: key.publicKey,
      kind: profile.kind,
      session: profile.session,
      profileHash: hash,
    });
    if (this.#stops !== stopsBefore && this.#stopped(profile.session, stopsBefore)) {
      throw new OperationError("E_DRIVER_REFUSED", "the session was stopped meanwhile");
    }
    const child = this.#start(kernel, profile, vault, instanceId);
    const driver: RunningDriver = {
      child,
      session: profile.session,
      vault: profile.vault,
      kind: profile.kind,
      instanceId,
    };
    this.#running.add(driver);
    child.once("exit", (code, signal) => this.#gone(kernel, driver, code, signal));
    const config = child.stdio[driverConfig] as net.Socket;
    config.on("error", () => undefined);
    config.end(
      `${JSON.stringify({
        instanceId: toHex(instanceId),
        instanceSeed: toHex(nodeCrypto.exportPrivate(key)),
        guardianIdentity: toHex((this.#hello as pb.HelloReply).identity),
        bootCertificate: toHex((this.#hello as pb.HelloReply).bootCertificate),
        profile: toHex(signedProfile),
        vault,
        ...(memory === undefined ? {} : { memory }),
      })}\n`,
    );
    const socket = child.stdio[driverSocket] as net.Socket;
    socket.on("error", () => undefined);
    kernel.workload.send({ type: "driver", instanceId: toHex(instanceId) }, socket);
    this.#log.log("info", "launcher.driver-started", {
      kind: profile.kind,
      session: profile.session,
      instance: toHex(instanceId),
    });
    return instanceId;
  }

  /** An agent's program proposes nothing by itself: the Guardian knows no instance of it. */
  #spawnAgent(kernel: Kernel, profile: Profile): Uint8Array {
    const instanceId = nodeCrypto.randomBytes(16);
    const { child, started, lines, errors } = startAgentProgram(
      profile,
      this.#dataFolder,
      asDriver(this.#identities, "agent"),
    );
    const { session, vault, kind } = profile;
    const agent: RunningDriver = { child, session, vault, kind, instanceId };
    this.#running.add(agent);
    child.once("exit", (code, signal) => this.#gone(kernel, agent, code, signal));
    void started.then((result) => {
      if (result.ok) return;
      const { message } = result.error;
      this.#log.log("error", "launcher.sandbox-failed", { name: "agent", message });
    });
    const message = { type: "driver", instanceId: toHex(instanceId) } as const;
    kernel.workload.send(message, lines);
    kernel.workload.send({ ...message, part: "errors" }, errors);
    const instance = toHex(instanceId);
    this.#log.log("info", "launcher.driver-started", { kind, session, instance });
    return instanceId;
  }

  #start(kernel: Kernel, profile: Profile, vault: string, instanceId: Uint8Array): ChildProcess {
    const base = kindProfiles[profile.kind];
    const memory = memoryFolder(this.#dataFolder, profile);
    const spec: SandboxSpec = {
      name: `driver-${profile.kind}`,
      kind: profile.kind,
      ...base,
      // What its programs may use is what this filter allows; its own namespace stays empty.
      ...(profile.network === "bridge" ? { network: "own" as const } : {}),
      binds: [
        ...profile.roots.map(({ path: folder, access }) => ({ path: folder, access })),
        { path: vault, access: "write" },
        ...(memory === undefined ? [] : [{ path: memory, access: "write" } as const]),
      ],
      masks: hiddenFolders
        .map((name) => path.join(this.#dataFolder, name))
        .filter((folder) => folder !== memory),
      limits: { ...base.limits, fileBytes: profile.limits.fileBytes },
    };
    // What drivers make is the person's: it gets the person's usual mode, not the kernel's.
    const kernelUmask = process.umask(this.#userUmask);
    const requests = profile.network === "none" ? undefined : socketPair();
    const waysOut = profile.network === "bridge" ? messagePair() : undefined;
    const { child, started } = spawnSandboxed(spec, {
      ...asDriver(this.#identities, profile.kind),
      entry: driverMain,
      stdio: [
        "ignore",
        "ignore",
        "pipe",
        "pipe",
        "pipe",
        requests?.[driverEnd] ?? "ignore",
        waysOut?.[driverEnd] ?? "ignore",
      ],
    });
    process.umask(kernelUmask);
    if (waysOut !== undefined) {
      fs.closeSync(waysOut[driverEnd]);
      kernel.passWayOut(instanceId, waysOut[egressEnd]);
      fs.closeSync(waysOut[egressEnd]);
    }
    if (requests !== undefined) {
      fs.closeSync(requests[driverEnd]);
      this.#handToEgress(kernel, requests[egressEnd], profile, instanceId);
    }
    if (child.stderr !== null) this.#logs.follow(child.stderr, `driver-${profile.kind}`);
    void started.then((result) => {
      if (!result.ok) {
        this.#log.log("error", "launcher.sandbox-failed", {
          name: `driver-${profile.kind}`,
          message: result.error.message,
        });
      }
    });
    return child;
  }

  /** Egress knows the driver at the other end by what is said here, never by what comes through. */
  #handToEgress(kernel: Kernel, fd: number, { session, kind }: Profile, id: Uint8Array): void {
    // Paused: nothing that comes is read in this process.
    const paused: net.SocketConstructorOpts & { readonly pauseOnCreate: true } = {
      fd,
      readable: true,
      writable: true,
      pauseOnCreate: true,
    };
    const socket = new net.Socket(paused);
    socket.on("error", () => undefined);
    const message = { type: "client", instanceId: toHex(id), session, kind };
    kernel.egress.child.send(message, socket);
  }

  #verified(encoded: Uint8Array): { readonly profile: Profile; readonly hash: Uint8Array } {
    const refuse = (why: string): OperationError => new OperationError("E_DRIVER_REFUSED", why);
    const hello = this.#hello;
    if (hello === undefined) throw refuse("the Guardian has not said who it is");
    const certificate = schema.decode(signed, hello.bootCertificate);
    const outer = schema.decode(signed, encoded);
    if (!certificate.ok || !outer.ok) throw refuse("the profile does not decode");
    const payload = verifyThroughBootKey(
      nodeCrypto,
      hello.identity,
      certificate.value,
      (bytes) => schema.decode(bootKey, bytes),
      domains.profile,
      outer.value,
    );
    if (!payload.ok) throw refuse("the profile is not signed by a boot key of the Guardian");
    const profile = schema.decode(profileSchema, payload.value);
    if (!profile.ok) throw refuse(`the profile does not decode: ${profile.error.message}`);
    return {
      profile: profile.value,
      hash: domainHash(nodeCrypto, domains.profile, payload.value),
    };
  }

  /** A root is a real folder, reached without links, and no part of the product. */
  #checkRoot(root: string): void {
    const stat = fs.lstatSync(root, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isDirectory() || fs.realpathSync(root) !== root) {
      throw new OperationError("E_DRIVER_REFUSED", "a root is not a real folder");
    }
  }

  #gone(kernel: Kernel, driver: RunningDriver, code: number | null, signal: string | null): void {
    this.#running.delete(driver);
    this.#log.log("info", "launcher.driver-ended", {
      kind: driver.kind,
      session: driver.session,
      code: code ?? undefined,
      signal: signal ?? undefined,
    });
    if (driver.kind === "agent") return;
    kernel.guardian
      .registerInstance({ instanceId: driver.instanceId, gone: true }, { deadlineMs: 2000 })
      .catch(() => undefined);
  }

  /** Whether the session was ended since: a start that was under way must not come after its stop. */
  #stopped(session: string, since: number): boolean {
    const forgotten = (this.#lastStops[0]?.at ?? 0) > since + 1;
    return (
      forgotten ||
      this.#lastStops.some(
        (stop) => stop.at > since && (stop.session === undefined || stop.session === session),
      )
    );
  }

  /** Ends one driver or program with all its descendants; resolves when they are gone. */
  async killOne(instanceId: Uint8Array): Promise<void> {
    const driver = this.running.find((each) => equalBytes(each.instanceId, instanceId));
    if (driver !== undefined) await endSandbox(driver.child);
  }

  /** Ends every driver of a session with all their descendants; resolves when they are gone. */
  async kill(session?: string): Promise<number> {
    this.#stops++;
    this.#lastStops.push({ at: this.#stops, session });
    if (this.#lastStops.length > driversMax) this.#lastStops.shift();
    const doomed = [...this.#running].filter(
      (driver) => session === undefined || driver.session === session,
    );
    await Promise.all(doomed.map(({ child }) => endSandbox(child)));
    return doomed.length;
  }
}
