/** Both drivers as the launcher starts them: in their sandbox, with a signed profile, over RPC. */
import assert from "node:assert/strict";
import { type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import type net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { toHex } from "@ioi/base";
import { domainHash, domains, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { Channel, client, type Client } from "@ioi/host/rpc";
import { spawnSandboxed } from "@ioi/host/sandbox";
import {
  bootKey,
  type CanonicalValue,
  encodeCanonical,
  outcome,
  pb,
  prepared,
  type Profile,
  profile as profileSchema,
  schema,
  signed,
  ticket,
} from "@ioi/wire";
import { contentRef } from "./support.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

const identity = nodeCrypto.generate("ml-dsa-65");
const boot = nodeCrypto.generate("ed25519");
const bootCertificate = schema.encode(
  signed,
  signPayload(
    nodeCrypto,
    identity,
    domains.bootKey,
    schema.encode(bootKey, {
      version: 1,
      bootId: new Uint8Array(16),
      publicKey: boot.publicKey,
      notBeforeMs: 0,
    }),
  ),
);

class Process implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly driver: Client<typeof pb.Driver>;
  readonly #channel: Channel;
  readonly #profileHash: Uint8Array;
  #counter = 100n;
  stderr = "";

  constructor(
    kind: "files" | "exec",
    base: string,
    damage: (line: Record<string, string>) => void,
  ) {
    const root = path.join(base, "work");
    const vault = path.join(base, "vault");
    fs.mkdirSync(root, { recursive: true });
    fs.mkdirSync(vault, { recursive: true });
    const profile: Profile = {
      version: 1,
      kind,
      session: "s1",
      vault: "s1",
      roots: [{ name: "work", path: root, access: "write" }],
      masks: [],
      network: "none",
      limits: {
        wallMs: 20_000,
        outputBytes: 65_536,
        memoryBytes: 2 ** 31,
        processes: 64,
        fileBytes: 2 ** 30,
      },
      policyHash: new Uint8Array(32),
    };
    const payload = schema.encode(profileSchema, profile);
    this.#profileHash = domainHash(nodeCrypto, domains.profile, payload);
    const { child } = spawnSandboxed(
      {
        name: `driver-${kind}`,
        kind,
        binds: [
          { path: root, access: "write" },
          { path: vault, access: "write" },
        ],
        masks: [],
        network: "none",
        mayCreateNamespaces: kind === "exec",
        limits: { openFiles: 4096, fileBytes: 2 ** 30 },
      },
      { entry: main, stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] },
    );
    this.child = child;
    child.stderr?.on("data", (text: Buffer) => {
      this.stderr += text.toString();
    });
    const line = {
      instanceId: toHex(nodeCrypto.randomBytes(16)),
      instanceSeed: toHex(nodeCrypto.randomBytes(32)),
      guardianIdentity: toHex(identity.publicKey),
      bootCertificate: toHex(bootCertificate),
      profile: toHex(
        schema.encode(signed, signPayload(nodeCrypto, boot, domains.profile, payload)),
      ),
      vault,
    };
    damage(line);
    const config = child.stdio[4] as net.Socket;
    config.on("error", () => undefined);
    config.end(`${JSON.stringify(line)}\n`);
    this.#channel = new Channel(child.stdio[3] as net.Socket);
    this.driver = client(pb.Driver, this.#channel);
  }

  async run(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
    content = new Uint8Array(0),
  ) {
    const reply = await this.driver.prepare({ target, args: encodeCanonical(args) });
    assert.equal(reply.errorCode, "", reply.errorMessage);
    const statement = schema.decode(prepared, reply.prepared);
    assert.ok(statement.ok);
    const { actionId, instanceId, nonce } = statement.value;
    const permitted = schema.encode(ticket, {
      version: 1,
      counter: ++this.#counter,
      actionId,
      target,
      session: "s1",
      agent: "a",
      policyHash: new Uint8Array(32),
      grantsHash: new Uint8Array(32),
      profileHash: this.#profileHash,
      obligations: [{ type: "snapshot" }],
      instanceId,
      nonce,
      ttlMs: 30_000,
    });
    const sealed = schema.encode(signed, signPayload(nodeCrypto, boot, domains.ticket, permitted));
    for await (const { event } of this.driver.act({ nonce, ticket: sealed, content })) {
      if (event.case !== "result") continue;
      const report = schema.decode(outcome, event.value.outcome);
      assert.ok(report.ok);
      return { counter: this.#counter, outcome: report.value, message: event.value.errorMessage };
    }
    throw new Error("no result");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      await once(this.child, "exit");
    }
  }
}

const nothing = (): void => undefined;

const withFolder = async (work: (base: string) => Promise<void>): Promise<void> => {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-driver-process-"));
  try {
    await work(base);
  } finally {
    fs.rmSync(base, { recursive: true, force: true });
  }
};

test("the files driver writes, moves and undoes inside its sandbox", async () => {
  await withFolder(async (base) => {
    await using files = new Process("files", base, nothing);
    const at = (name: string): string => path.join(base, "work", name);
    fs.mkdirSync(at("d"));
    const content = Buffer.from("hello");
    const args = { path: at("a"), content: contentRef(content), create: "any" };
    const wrote = await files.run("fs::write", args, content);
    assert.deepEqual([wrote.outcome.status, wrote.message], ["confirmed", ""]);
    const moved = await files.run("fs::move", { path: at("a"), to: at("d/b") });
    assert.deepEqual([moved.outcome.status, moved.message], ["confirmed", ""]);
    const deleted = await files.run("fs::delete", { path: at("d") });
    assert.deepEqual([deleted.outcome.status, deleted.message], ["confirmed", ""]);
    const undone = await files.run("fs::restore", { counter: deleted.counter, paths: [at("d")] });
    assert.deepEqual([undone.outcome.status, undone.message], ["confirmed", ""]);
    assert.equal(fs.readFileSync(at("d/b"), "utf8"), "hello");
  });
});

test("the exec driver stages a command in a sandbox inside its own", async () => {
  await withFolder(async (base) => {
    await using exec = new Process("exec", base, nothing);
    const cwd = path.join(base, "work");
    fs.writeFileSync(path.join(cwd, "a"), "1");
    const ran = await exec.run("sys::exec", { argv: ["sh", "-c", "echo 2 > a; rm -f b"], cwd });
    assert.deepEqual([ran.outcome.status, ran.message, exec.stderr], ["confirmed", "", ""]);
    assert.equal(fs.readFileSync(path.join(cwd, "a"), "utf8"), "2\n");
  });
});

for (const [what, damage] of [
  [
    "another identity",
    (line: Record<string, string>) => {
      line["guardianIdentity"] = toHex(nodeCrypto.generate("ml-dsa-65").publicKey);
    },
  ],
  [
    "a changed profile",
    (line: Record<string, string>) => {
      line["profile"] = (line["profile"] ?? "").replace("776f726b", "776f726c");
    },
  ],
] as const) {
  test(`a driver does not start with ${what}`, async () => {
    await withFolder(async (base) => {
      await using refused = new Process("files", base, damage);
      const [code] = (await once(refused.child, "exit")) as [number];
      assert.equal(code, 5);
      assert.match(refused.stderr, /E_DRIVER_START/);
    });
  });
}
