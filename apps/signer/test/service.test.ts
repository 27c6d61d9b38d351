/** The signer's process without its process: a real folder, whose writes are held up or fail. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { type Files, OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { client, connect, serve } from "@ioi/host/rpc";
import { type Envelope, envelope, pb, schema, type SignerRequest, signerRequest } from "@ioi/wire";
import { SoftwareAnchor } from "../src/anchor.ts";
import { requestBytesMax, waitingMax } from "../src/limits.ts";
import { SignerService } from "../src/service.ts";

const zeros = new Uint8Array(32);
const nothing = { view: 0n, digest: zeros };
const epoch = { number: 0n, mode: "a-dmft" } as const;

const timeout = (view: bigint): SignerRequest => ({
  type: "sign",
  kind: "timeout",
  view,
  digest: zeros,
  just: nothing,
  seen: nothing,
});

const withWrites = (files: Files, replaceFile: Files["replaceFile"]): Files =>
  new Proxy(files, {
    get: (target, name) => {
      if (name === "replaceFile") return replaceFile;
      const method = Reflect.get(target, name) as (...args: readonly unknown[]) => unknown;
      return method.bind(target);
    },
  });

/** One life of the service on a folder; `write` stands before every write. */
class Life implements AsyncDisposable {
  readonly fatal: unknown[] = [];
  write: () => Promise<void> = async () => undefined;
  readonly #ends = duplexPair();
  readonly signer = client(pb.Signer, connect(this.#ends[0]));

  static async on(dir: string): Promise<Life> {
    const life = new Life();
    const files = openFiles(dir);
    const replaced = withWrites(files, async (at, bytes, mode) => {
      await life.write();
      await files.replaceFile(at, bytes, mode);
    });
    const anchor = await SoftwareAnchor.open(replaced, nodeCrypto);
    const service = await SignerService.open(anchor, nodeCrypto, (error) => life.fatal.push(error));
    serve(life.#ends[1], [service.implementation]);
    return life;
  }

  async enter(): Promise<void> {
    await this.signer.renew({});
    await this.ask({ type: "enter", chain: zeros, epoch, validators: zeros, anchor: nothing });
  }

  async ask(request: SignerRequest): Promise<Envelope | undefined> {
    const answer = await this.signer.ask({ request: schema.encode(signerRequest, request) });
    const decoded = schema.decode(envelope, answer.envelope);
    return decoded.ok ? decoded.value : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends) end.destroy();
  }
}

const folder = (t: { after(run: () => void): void }): string => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-signer-"));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  return dir;
};

const isCode = (code: string) => (error: unknown) =>
  error instanceof OperationError && error.code === code;

test("requests wait in order while one is made durable, and no more of them than the bound", async (t) => {
  await using life = await Life.on(folder(t));
  await life.enter();
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  life.write = () => opened;
  let answered = 0;
  const asked = Array.from({ length: waitingMax }, async (_, i) => {
    const given = await life.ask(timeout(BigInt(i + 1)));
    answered += 1;
    return given;
  });
  await assert.rejects(life.ask(timeout(1000n)), isCode("E_SIGNER_BUSY"));
  assert.equal(answered, 0, "nothing leaves before it is durable");
  open();
  const counters = (await Promise.all(asked)).map((each) => each?.counter);
  assert.deepEqual(
    counters,
    asked.map((_, i) => BigInt(i + 1)),
  );
  assert.equal((await life.ask(timeout(1000n)))?.view, 1000n, "there is room again");
  const request = new Uint8Array(requestBytesMax + 1);
  await assert.rejects(life.signer.ask({ request }), isCode("E_SIGNER_REFUSED"));
});

test("a write that fails ends the process: its answer never leaves, and the folder knows nothing of it", async (t) => {
  const dir = folder(t);
  {
    await using life = await Life.on(dir);
    await life.enter();
    assert.equal((await life.ask(timeout(1n)))?.counter, 1n);
    life.write = async () => {
      throw new OperationError("E_FILES_IO", "the disk is full");
    };
    await assert.rejects(life.ask(timeout(2n)), isCode("E_FILES_IO"));
    assert.equal(life.fatal.length, 1);
    assert.ok(isCode("E_FILES_IO")(life.fatal[0]));
  }
  await using again = await Life.on(dir);
  assert.equal((await again.signer.status({})).envelopes, 1n);
  assert.equal((await again.ask(timeout(2n)))?.counter, 2n);
});

test("a folder with keys and no record, or with a record that is cut, is not taken up", async (t) => {
  const dir = folder(t);
  {
    await using life = await Life.on(dir);
    await life.enter();
  }
  const record = path.join(dir, "anchor");
  const bytes = fs.readFileSync(record);
  fs.writeFileSync(record, bytes.subarray(0, bytes.length / 2));
  await assert.rejects(Life.on(dir), isCode("E_SIGNER_SEAL"));
  fs.rmSync(record);
  await assert.rejects(Life.on(dir), isCode("E_SIGNER_SEAL"));
  fs.writeFileSync(record, bytes);
  await using life = await Life.on(dir);
  assert.equal((await life.signer.status({})).state, "signing");
});
