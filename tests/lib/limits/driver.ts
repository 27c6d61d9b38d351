/** A real files driver in its real sandbox, on a profile that the real Guardian signed. */
import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import type net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { OperationError, toHex, unwrap } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { Channel, client, type Client } from "@ioi/host/rpc";
import { endSandbox, kindProfiles, spawnSandboxed } from "@ioi/host/sandbox";
import {
  type CanonicalValue,
  encodeCanonical,
  outcome as outcomeSchema,
  pb,
  prepared as preparedSchema,
  schema,
} from "@ioi/wire";
import type { Driver, LimitsWorld, Prepared } from "./world.ts";

const driverMain = fileURLToPath(new URL("../../../packages/drivers/src/main.ts", import.meta.url));

export interface Acted {
  readonly status: string;
  readonly code: string;
  readonly outcome: Uint8Array;
  readonly outcomeSignature: Uint8Array;
}

export class RealDriver implements AsyncDisposable {
  readonly id: Driver;
  readonly #child: ChildProcess;
  readonly #channel: Channel;
  readonly #driver: Client<typeof pb.Driver>;

  private constructor(id: Driver, child: ChildProcess) {
    this.id = id;
    this.#child = child;
    this.#channel = new Channel(child.stdio[3] as net.Socket);
    this.#driver = client(pb.Driver, this.#channel);
  }

  static async start(world: LimitsWorld, session: string): Promise<RealDriver> {
    const seed = nodeCrypto.randomBytes(32);
    const id = await world.driver(session, "files", seed);
    const vault = path.join(world.folder, "vault", session);
    fs.mkdirSync(vault, { recursive: true, mode: 0o700 });
    const base = kindProfiles.files;
    const binds = [world.workspace, vault].map(
      (each) => ({ path: each, access: "write" }) as const,
    );
    const spec = { name: "driver-files", kind: "files" as const, ...base, binds, masks: [] };
    const { child } = spawnSandboxed(spec, {
      entry: driverMain,
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const config = child.stdio[4] as net.Socket;
    config.on("error", () => undefined);
    const line = {
      instanceId: toHex(id.instanceId),
      instanceSeed: toHex(seed),
      guardianIdentity: toHex(world.identity),
      bootCertificate: toHex(world.bootCertificate),
      profile: toHex(await world.profile(session, "files")),
      vault,
    };
    config.end(`${JSON.stringify(line)}\n`);
    const driver = new RealDriver(id, child);
    // It answers: its vault is made, and another of the session may be started.
    await driver.prepare("fs::stat", { path: world.workspace });
    return driver;
  }

  async prepare(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
  ): Promise<Prepared & { readonly nonce: Uint8Array }> {
    const reply = await this.#driver.prepare({ target, args: encodeCanonical(args) });
    if (reply.errorCode !== "") {
      throw new OperationError(reply.errorCode as `E_${string}`, reply.errorMessage);
    }
    const { action, prepared, preparedSignature } = reply;
    const { nonce } = unwrap(schema.decode(preparedSchema, prepared), "prepared");
    return { action, prepared, preparedSignature, nonce };
  }

  async act(nonce: Uint8Array, ticket: Uint8Array): Promise<Acted> {
    for await (const { event } of this.#driver.act({ nonce, ticket, content: new Uint8Array(0) })) {
      if (event.case !== "result") continue;
      const { outcome, outcomeSignature } = event.value;
      const { status, code = "" } = unwrap(schema.decode(outcomeSchema, outcome), "outcome");
      return { status, code, outcome, outcomeSignature };
    }
    throw new OperationError("E_TEST", "an act without a result");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close();
    await endSandbox(this.#child);
  }
}
