/**
 * A real driver process in its real sandbox, without a kernel around it: whoever starts it here
 * holds the keys that the Guardian, the launcher and the Workload hold apart, so that tickets of
 * every wrong kind can be made. The sandbox is the launcher's (apps/launcher/src/drivers.ts).
 */
import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import type net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { OperationError, toHex } from "@ioi/base";
import { type Domain, domainHash, domains, type SigningKey, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { Channel, client, type Client } from "@ioi/host/rpc";
import { endSandbox, kindProfiles, spawnSandboxed } from "@ioi/host/sandbox";
import {
  type Action,
  action as actionSchema,
  bootKey,
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
  type Outcome,
  outcome as outcomeSchema,
  pb,
  type Prepared,
  prepared as preparedSchema,
  type Profile,
  profile as profileSchema,
  schema,
  signed,
  type Ticket,
  ticket as ticketSchema,
} from "@ioi/wire";

export type Kind = "files" | "exec";
export type Args = { readonly [name: string]: CanonicalValue };

const driverMain = fileURLToPath(new URL("../../packages/drivers/src/main.ts", import.meta.url));
/** Names of vaults: one for the driver under attack, one for another beside it. */
export const vaults = ["s-0123456789ab", "s-ba9876543210"] as const;

/** A Guardian's identity and the key of one of its boots. */
export interface Authority {
  readonly identity: SigningKey;
  readonly boot: SigningKey;
  /** Canonical `signed` boot key certificate. */
  readonly certificate: Uint8Array;
}

export const makeAuthority = (): Authority => {
  const identity = nodeCrypto.generate("ml-dsa-65");
  const boot = nodeCrypto.generate("ed25519");
  const payload = schema.encode(bootKey, {
    version: 1,
    bootId: nodeCrypto.randomBytes(16),
    publicKey: boot.publicKey,
    notBeforeMs: 0,
  });
  const value = signPayload(nodeCrypto, identity, domains.bootKey, payload);
  return { identity, boot, certificate: schema.encode(signed, value) };
};

/** Bytes under a signature, as they travel. */
export const seal = (key: SigningKey, domain: Domain, payload: Uint8Array): Uint8Array =>
  schema.encode(signed, signPayload(nodeCrypto, key, domain, payload));

export const contentRef = (content: Uint8Array): CanonicalValue => ({
  sha256: Uint8Array.from(createHash("sha256").update(content).digest()),
  length: content.length,
  head: Buffer.from(content).toString("utf8"),
});

export interface Preparation {
  readonly target: string;
  readonly prepared: Prepared;
  /** With what the driver found; the policy judges it. */
  readonly action: Action;
}

export interface Ended {
  readonly status: Outcome["status"];
  readonly code: string;
  readonly message: string;
  /** What the driver answers with beside its outcome. */
  readonly result: Args;
}

export interface DriverOptions {
  readonly kind: Kind;
  /** Holds `work`, the session's folder, and `vault`. */
  readonly base: string;
  readonly authority: Authority;
  readonly vault?: (typeof vaults)[number];
  /** Given again to a driver that is started again. */
  readonly instance?: { readonly id: Uint8Array; readonly seed: Uint8Array };
  /** Folders beside the session's own, which exist. */
  readonly more?: Profile["roots"];
  /** Damages the start-up line. */
  readonly damage?: (line: Record<string, string>) => void;
}

export class DriverProcess implements AsyncDisposable {
  readonly options: DriverOptions;
  readonly session = "s-attacked";
  readonly #vault: string;
  readonly instance: { readonly id: Uint8Array; readonly seed: Uint8Array };
  readonly profileHash: Uint8Array;
  readonly root: string;
  readonly #child: ChildProcess;
  readonly #channel: Channel;
  readonly #driver: Client<typeof pb.Driver>;
  stderr = "";

  constructor(options: DriverOptions) {
    this.options = options;
    this.#vault = options.vault ?? vaults[0];
    this.root = path.join(options.base, "work");
    const vault = path.join(options.base, "vault", this.#vault);
    fs.mkdirSync(this.root, { recursive: true });
    fs.mkdirSync(vault, { recursive: true, mode: 0o700 });
    this.instance = options.instance ?? {
      id: nodeCrypto.randomBytes(16),
      seed: nodeCrypto.randomBytes(32),
    };
    const payload = schema.encode(profileSchema, this.#profile());
    this.profileHash = domainHash(nodeCrypto, domains.profile, payload);
    const { authority } = options;
    const line: Record<string, string> = {
      instanceId: toHex(this.instance.id),
      instanceSeed: toHex(this.instance.seed),
      guardianIdentity: toHex(authority.identity.publicKey),
      bootCertificate: toHex(authority.certificate),
      profile: toHex(seal(authority.boot, domains.profile, payload)),
      vault,
    };
    options.damage?.(line);
    this.#child = this.#spawn(vault);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    const config = this.#child.stdio[4] as net.Socket;
    config.on("error", () => undefined);
    config.end(`${JSON.stringify(line)}\n`);
    this.#channel = new Channel(this.#child.stdio[3] as net.Socket);
    this.#driver = client(pb.Driver, this.#channel);
  }

  #profile(): Profile {
    return {
      version: 1,
      kind: this.options.kind,
      session: this.session,
      vault: this.#vault,
      roots: [{ name: "scope", path: this.root, access: "write" }, ...(this.options.more ?? [])],
      masks: [path.join(this.options.base, "vault")],
      network: "none",
      limits: {
        wallMs: 60_000,
        outputBytes: 65_536,
        memoryBytes: 2 ** 31,
        processes: 64,
        fileBytes: 2 ** 30,
      },
      policyHash: new Uint8Array(32),
    };
  }

  #spawn(vault: string): ChildProcess {
    const { kind } = this.options;
    const base = kindProfiles[kind];
    const more = (this.options.more ?? []).map(({ path: each, access }) => ({
      path: each,
      access,
    }));
    const own = [this.root, vault].map((each) => ({ path: each, access: "write" }) as const);
    const binds = [...own, ...more];
    const limits = { ...base.limits, fileBytes: 2 ** 30 };
    const spec = { name: `driver-${kind}`, kind, ...base, binds, masks: [], limits };
    return spawnSandboxed(spec, {
      entry: driverMain,
      stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
    }).child;
  }

  prepare(target: string, args: Args): Promise<Preparation> {
    return this.prepareRaw(target, encodeCanonical(args));
  }

  /** With bytes that no encoder of ours would make. */
  async prepareRaw(target: string, args: Uint8Array): Promise<Preparation> {
    const reply = await this.#driver.prepare({ target, args });
    if (reply.errorCode !== "") {
      throw new OperationError(reply.errorCode as `E_${string}`, reply.errorMessage);
    }
    const statement = schema.decode(preparedSchema, reply.prepared);
    const action = schema.decode(actionSchema, reply.action);
    if (!statement.ok || !action.ok) {
      throw new OperationError("E_TEST", "the driver's statement is malformed");
    }
    return { target, prepared: statement.value, action: action.value };
  }

  /** The ticket that the Guardian would make for what was prepared, with changes. */
  ticket(given: Preparation, counter: bigint, changes: Partial<Ticket> = {}): Ticket {
    return {
      version: 1,
      counter,
      actionId: given.prepared.actionId,
      target: given.target,
      session: this.session,
      agent: "planner",
      policyHash: new Uint8Array(32),
      grantsHash: new Uint8Array(32),
      profileHash: this.profileHash,
      obligations: [{ type: "snapshot" }],
      instanceId: given.prepared.instanceId,
      nonce: given.prepared.nonce,
      ttlMs: 30_000,
      ...changes,
    };
  }

  signed(ticket: Ticket): Uint8Array {
    const { boot } = this.options.authority;
    return seal(boot, domains.ticket, schema.encode(ticketSchema, ticket));
  }

  async act(nonce: Uint8Array, ticket: Uint8Array, content: Uint8Array): Promise<Ended> {
    for await (const { event } of this.#driver.act({ nonce, ticket, content })) {
      if (event.case !== "result") continue;
      const report = schema.decode(outcomeSchema, event.value.outcome);
      if (!report.ok) throw new OperationError("E_TEST", "the driver's outcome is malformed");
      const { status, code = "" } = report.value;
      const result = decodeCanonical(event.value.result);
      return {
        status,
        code,
        message: event.value.errorMessage,
        result: result.ok ? (result.value as Args) : {},
      };
    }
    throw new OperationError("E_TEST", "the driver gave no outcome");
  }

  /** The exit code of a driver that ends by itself. */
  async exit(): Promise<number | null> {
    const { exitCode } = this.#child;
    return exitCode ?? ((await once(this.#child, "exit")) as [number | null])[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close();
    await endSandbox(this.#child);
  }
}
