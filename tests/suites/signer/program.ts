/** The real `guardian-signer` in its sandbox, on a folder, as a validator's host would run it. */
import { type ChildProcess } from "node:child_process";
import fs from "node:fs";
import type net from "node:net";
import path from "node:path";
import { OperationError } from "@ioi/base";
import { client, type Client, connect } from "@ioi/host/rpc";
import { endSandbox, kindProfiles, spawnSandboxed } from "@ioi/host/sandbox";
import { descriptors } from "@ioi/host/process";
import {
  type Envelope,
  envelope as envelopeSchema,
  pb,
  schema,
  type SignerRequest,
  signerRequest,
} from "@ioi/wire";
import { projectRoot } from "../../report/conditions.ts";

const entry = path.join(projectRoot, "apps/signer/src/main.ts");
const bootMs = 60_000;

export class SignerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #signer: Client<typeof pb.Signer>;
  readonly #process: Client<typeof pb.Process>;
  stderr = "";

  private constructor(dir: string) {
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    const profile = kindProfiles.guardian;
    const binds = [{ path: dir, access: "write" as const }];
    const spec = { name: "signer", kind: "guardian" as const, ...profile, binds, masks: [] };
    const stdio = Array.from(
      { length: descriptors.config + 1 },
      () => "ignore" as "ignore" | "pipe",
    );
    for (const fd of [2, descriptors.process, descriptors.config]) stdio[fd] = "pipe";
    this.#child = spawnSandboxed(spec, { entry, nodeArgs: ["--no-warnings"], stdio }).child;
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    const pipes = this.#child.stdio as readonly unknown[];
    const config = pipes[descriptors.config] as net.Socket;
    config.on("error", () => undefined);
    config.end(JSON.stringify({ dir }));
    const channel = connect(pipes[descriptors.process] as net.Socket);
    this.#signer = client(pb.Signer, channel);
    this.#process = client(pb.Process, channel);
  }

  static async start(dir: string): Promise<SignerProcess> {
    const signer = new SignerProcess(dir);
    try {
      await signer.#process.hello({}, { deadlineMs: bootMs });
      return signer;
    } catch (error) {
      await signer.kill();
      throw error;
    }
  }

  async renew(): Promise<pb.SignerRenewReply> {
    return await this.#signer.renew({});
  }

  async status(): Promise<pb.SignerStatusReply> {
    return await this.#signer.status({});
  }

  async ask(request: SignerRequest): Promise<Envelope | undefined> {
    return await this.askRaw(schema.encode(signerRequest, request));
  }

  async askRaw(request: Uint8Array): Promise<Envelope | undefined> {
    const { envelope } = await this.#signer.ask({ request });
    if (envelope.length === 0) return undefined;
    const decoded = schema.decode(envelopeSchema, envelope);
    if (!decoded.ok) throw new OperationError("E_TEST", decoded.error.message);
    return decoded.value;
  }

  /** SIGKILL to all of its sandbox. */
  async kill(): Promise<void> {
    await endSandbox(this.#child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
