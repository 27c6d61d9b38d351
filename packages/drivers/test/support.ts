/** A guardian's side and a workload's side of one driver, over real files in a fresh folder. */
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { domainHash, domains, signPayload, type SigningKey } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  type Action,
  action as actionSchema,
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
  type Obligation,
  type Outcome,
  outcome as outcomeSchema,
  type Prepared,
  prepared as preparedSchema,
  type Profile,
  profile as profileSchema,
  schema,
  signed,
  type Ticket,
  ticket as ticketSchema,
} from "@ioi/wire";
import { createHandlers, type DisposableHandlers } from "../src/core/handlers.ts";
import type { Driver } from "../src/core/driver.ts";
import { EffectEngine } from "../src/effects/engine.ts";
import { unfinished } from "../src/effects/settle.ts";
import { FilesDriver } from "../src/files/driver.ts";
import { Roots } from "../src/fs/roots.ts";
import { Vault } from "../src/vault/vault.ts";

export type Args = { readonly [name: string]: CanonicalValue };

export const contentRef = (content: Uint8Array): Args => ({
  sha256: Uint8Array.from(createHash("sha256").update(content).digest()),
  length: content.length,
  head: "",
});

export interface Run {
  readonly errorCode: string;
  readonly action?: Action;
  readonly outcome?: Outcome;
  readonly result: { readonly [name: string]: CanonicalValue };
  readonly output: Uint8Array;
  readonly message: string;
}

export interface Preparation {
  readonly action: Action;
  readonly prepared: Prepared;
}

const decoded = <T>(result: { ok: true; value: T } | { ok: false; error: unknown }): T => {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
};

export interface SessionOptions {
  readonly driver?: (engine: EffectEngine, profile: Profile) => Driver;
  readonly kind?: "files" | "exec" | "shell";
  readonly masks?: readonly string[];
  readonly roots?: Profile["roots"];
  readonly fault?: (point: string) => void;
  readonly base?: string;
  readonly nowMs?: () => number;
  readonly limits?: Partial<Profile["limits"]>;
}

let counters = 0n;

/** One instance of a driver with the keys that permit. */
export class Session implements AsyncDisposable {
  readonly base: string;
  readonly root: string;
  readonly vaultPath: string;
  readonly bootKey: SigningKey = nodeCrypto.generate("ed25519");
  readonly instanceKey: SigningKey = nodeCrypto.generate("ed25519");
  readonly instanceId: Uint8Array = nodeCrypto.randomBytes(16);
  readonly profile: Profile;
  readonly profileHash: Uint8Array;
  readonly engine: EffectEngine;
  readonly driver: Driver;
  readonly handlers: DisposableHandlers;
  readonly #ownsBase: boolean;

  constructor(options: SessionOptions = {}) {
    this.#ownsBase = options.base === undefined;
    this.base = options.base ?? fs.mkdtempSync(path.join(os.tmpdir(), "ioi-drivers-"));
    this.root = path.join(this.base, "work");
    this.vaultPath = path.join(this.base, "vault", "s1");
    fs.mkdirSync(this.root, { recursive: true });
    const kind = options.kind ?? "files";
    this.profile = {
      version: 1,
      kind,
      session: "s1",
      vault: "s1",
      roots: options.roots ?? [{ name: "work", path: this.root, access: "write" }],
      masks: options.masks ?? [path.join(this.base, "vault")],
      network: "none",
      limits: {
        wallMs: 10_000,
        outputBytes: 1_048_576,
        memoryBytes: 1_073_741_824,
        processes: 64,
        fileBytes: 1_073_741_824,
        ...options.limits,
      },
      policyHash: new Uint8Array(32),
    };
    const encoded = schema.encode(profileSchema, this.profile);
    this.profileHash = domainHash(nodeCrypto, domains.profile, encoded);
    this.engine = new EffectEngine({
      roots: new Roots(this.profile),
      vault: new Vault(this.vaultPath, kind),
      wallMs: () => Date.now(),
      ...(options.fault === undefined ? {} : { fault: options.fault }),
    });
    this.driver = (options.driver ?? ((engine) => new FilesDriver(engine)))(
      this.engine,
      this.profile,
    );
    this.handlers = createHandlers({
      driver: this.driver,
      provider: nodeCrypto,
      instanceKey: this.instanceKey,
      instanceId: this.instanceId,
      bootKey: this.bootKey.publicKey,
      profile: this.profile,
      profileHash: this.profileHash,
      nowMs: options.nowMs ?? (() => performance.now()),
    });
  }

  path(relative: string): string {
    return path.join(this.root, relative);
  }

  async settleAll(): Promise<void> {
    for (const counter of unfinished(this.engine)) await this.driver.settle(counter);
  }

  async prepare(target: string, args: Args): Promise<Preparation | string> {
    const signal = new AbortController().signal;
    const reply = await this.handlers.prepare({ target, args: encodeCanonical(args) }, { signal });
    if (reply.errorCode !== "") return reply.errorCode;
    return {
      action: decoded(schema.decode(actionSchema, reply.action)),
      prepared: decoded(schema.decode(preparedSchema, reply.prepared)),
    };
  }

  ticket(preparation: Preparation, changes: Partial<Ticket> = {}, key = this.bootKey): Uint8Array {
    const { action, prepared } = preparation;
    const payload = schema.encode(ticketSchema, {
      version: 1,
      counter: ++counters,
      actionId: prepared.actionId,
      target: action.target,
      session: "s1",
      agent: "a1",
      policyHash: new Uint8Array(32),
      grantsHash: new Uint8Array(32),
      profileHash: this.profileHash,
      obligations: [],
      instanceId: prepared.instanceId,
      nonce: prepared.nonce,
      ttlMs: 30_000,
      ...changes,
    });
    return schema.encode(signed, signPayload(nodeCrypto, key, domains.ticket, payload));
  }

  async act(
    nonce: Uint8Array,
    ticket: Uint8Array,
    content: Uint8Array = new Uint8Array(0),
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Run> {
    const output: Uint8Array[] = [];
    for await (const { event } of this.handlers.act({ nonce, ticket, content }, { signal })) {
      if (event.case === "output") output.push(event.value);
      else if (event.case === "result") {
        const outcome = decoded(schema.decode(outcomeSchema, event.value.outcome));
        const result = decoded(decodeCanonical(event.value.result)) as Run["result"];
        const message = event.value.errorMessage;
        return {
          errorCode: outcome.code ?? "",
          outcome,
          result,
          output: Buffer.concat(output),
          message,
        };
      }
    }
    throw new Error("an act without a result");
  }

  /** Prepare, permit with a snapshot, act. */
  async run(
    target: string,
    args: Args,
    options: { content?: Uint8Array; obligations?: readonly Obligation[]; counter?: bigint } = {},
  ): Promise<Run & { readonly counter: bigint }> {
    const preparation = await this.prepare(target, args);
    if (typeof preparation === "string") {
      return {
        errorCode: preparation,
        result: {},
        output: Buffer.alloc(0),
        message: "",
        counter: 0n,
      };
    }
    const counter = options.counter ?? ++counters;
    const obligations = options.obligations ?? [{ type: "snapshot" as const }];
    const ticket = this.ticket(preparation, { counter, obligations });
    const ran = await this.act(preparation.prepared.nonce, ticket, options.content);
    return { ...ran, action: preparation.action, counter };
  }

  write(relative: string, text: string, create = "any"): ReturnType<Session["run"]> {
    const content = Buffer.from(text);
    const args = { path: this.path(relative), content: contentRef(content), create };
    return this.run("fs::write", args, { content });
  }

  undo(counter: bigint, paths: readonly string[]): ReturnType<Session["run"]> {
    return this.run("fs::restore", { counter, paths });
  }

  async settle(counter: bigint): Promise<{ status: string; reversible: boolean }> {
    return this.handlers.settle({ counter }, { signal: new AbortController().signal });
  }

  close(): void {
    this.handlers[Symbol.dispose]();
    this.driver[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    if (this.#ownsBase) openFolders(this.base);
    if (this.#ownsBase) fs.rmSync(this.base, { recursive: true, force: true });
  }
}

/** So that a folder closed by its mode can be removed by anybody who runs the tests. */
const openFolders = (folder: string): void => {
  fs.chmodSync(folder, 0o700);
  for (const each of fs.readdirSync(folder, { withFileTypes: true })) {
    if (each.isDirectory()) openFolders(path.join(folder, each.name));
  }
};

/** Everything at and below a folder that undo must bring back. */
export const treeState = (folder: string): Record<string, string> => {
  const state: Record<string, string> = {};
  const visit = (full: string, relative: string): void => {
    const stat = fs.lstatSync(full, { bigint: true });
    const common = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.mtimeNs}`;
    if (stat.isDirectory()) {
      state[relative] = `dir ${common}`;
      for (const name of fs.readdirSync(full).sort())
        visit(path.join(full, name), `${relative}/${name}`);
    } else if (stat.isSymbolicLink()) {
      state[relative] = `link ${common} ${fs.readlinkSync(full)}`;
    } else {
      const hash = createHash("sha256").update(fs.readFileSync(full)).digest("hex");
      state[relative] = `file ${common} ${stat.size} ${hash}`;
    }
  };
  visit(folder, "");
  return state;
};
