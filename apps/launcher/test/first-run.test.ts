/** What a data folder needs: made once, continued after any interruption, never made over. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { type Files, fromHex, OperationError, toHex } from "@ioi/base";
import { defaultPolicy } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { type DataFolder, openDataFolder } from "@ioi/host/ports";
import { chainOf, type Genesis, identityPath, prepareDataFolder } from "../src/first-run.ts";

const bases: string[] = [];
after(() => {
  for (const base of bases) fs.rmSync(base, { recursive: true });
});

const newFolder = (): string => {
  const base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ioi-first-")));
  bases.push(base);
  return path.join(base, "data");
};

const withFolder = async <T>(folder: string, use: (data: DataFolder) => Promise<T>): Promise<T> => {
  await using data = await openDataFolder(folder);
  return await use(data);
};

const identity = new Uint8Array(1952).fill(1);
const other = new Uint8Array(1952).fill(2);

const firstRun = async (data: DataFolder): Promise<{ device: string; chain: string }> => {
  const [device] = await prepareDataFolder(data);
  assert.ok(device !== undefined);
  return { device: toHex(device), chain: await chainOf(data, identity) };
};

const treeOf = (folder: string): string[] =>
  fs
    .readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => {
      const stat = fs.statSync(path.join(folder, name));
      return `${name} ${(stat.mode & 0o777).toString(8)}`;
    })
    .toSorted();

test("the first run makes everything, for its owner alone", async () => {
  const folder = newFolder();
  await withFolder(folder, firstRun);
  assert.equal((fs.statSync(folder).mode & 0o777).toString(8), "700");
  assert.deepEqual(treeOf(folder), [
    "FORMAT 600",
    "device 700",
    "device/terminal.key 600",
    "guardian 700",
    "guardian/policy.toml 600",
    "guardian/prices.toml 600",
    "identity 700",
    "identity/genesis.json 600",
    "identity/guardian.pub 600",
    "lock 600",
    "logs 700",
    "orchestrator 700",
    "run 700",
    "vault 700",
    "workload 700",
  ]);
  const read = (name: string): string => fs.readFileSync(path.join(folder, name), "utf8");
  assert.equal(read("guardian/policy.toml"), defaultPolicy);
  assert.equal(read(identityPath), `${toHex(identity)}\n`);
  const key = JSON.parse(read("device/terminal.key")) as { publicKey: string; seed: string };
  const imported = nodeCrypto.importPrivate("ed25519", fromHex(key.seed) ?? new Uint8Array());
  assert.ok(imported.ok && toHex(imported.value.publicKey) === key.publicKey);
  const genesis = JSON.parse(read("identity/genesis.json")) as Genesis;
  assert.equal(genesis.guardian, toHex(identity));
  assert.match(genesis.chainId, /^[0-9a-f]{64}$/);
});

test("a later run changes nothing, also where the person changed the policy", async () => {
  const folder = newFolder();
  const first = await withFolder(folder, firstRun);
  fs.writeFileSync(path.join(folder, "guardian/policy.toml"), "version = 1\n");
  const before = treeOf(folder);
  assert.deepEqual(await withFolder(folder, firstRun), first);
  assert.deepEqual(treeOf(folder), before);
  const policy = fs.readFileSync(path.join(folder, "guardian/policy.toml"), "utf8");
  assert.equal(policy, "version = 1\n");
});

test("two folders have two devices and two chains", async () => {
  const [one, two] = [
    await withFolder(newFolder(), firstRun),
    await withFolder(newFolder(), firstRun),
  ];
  assert.notEqual(one.device, two.device);
  assert.notEqual(one.chain, two.chain);
});

/** The machine stops before or just after the n-th file is written. */
const failing = (data: DataFolder, at: number, written: boolean): DataFolder => {
  let count = 0;
  const files: Files = Object.assign(Object.create(data.files) as Files, {
    stat: (name: string) => data.files.stat(name),
    readFile: (name: string, max: number) => data.files.readFile(name, max),
    replaceFile: async (name: string, bytes: Uint8Array, mode?: number) => {
      const stops = count++ === at;
      if (!stops || written) await data.files.replaceFile(name, bytes, mode);
      if (stops) throw new OperationError("E_FILES_IO", "stopped");
    },
  });
  return {
    path: data.path,
    files,
    lock: data.lock,
    created: data.created,
    format: data.format,
    [Symbol.asyncDispose]: async () => undefined,
  };
};

test("a first run that is interrupted anywhere is continued by the next", async () => {
  for (let at = 0; at < 5; at++) {
    for (const written of [false, true]) {
      const folder = newFolder();
      await withFolder(folder, async (data) => {
        await assert.rejects(firstRun(failing(data, at, written)), { message: "stopped" });
      });
      const made = path.join(folder, "device/terminal.key");
      const device = fs.existsSync(made) ? fs.readFileSync(made, "utf8") : undefined;
      const second = await withFolder(folder, firstRun);
      assert.equal(treeOf(folder).length, 15, `stopped at ${at}`);
      if (device !== undefined) assert.match(device, new RegExp(second.device));
      assert.deepEqual(await withFolder(folder, firstRun), second);
    }
  }
});

test("a damaged device key is named with its remedy, and left as it is", async () => {
  const folder = newFolder();
  await withFolder(folder, firstRun);
  const key = path.join(folder, "device/terminal.key");
  for (const text of [
    "",
    "{",
    "null",
    "[]",
    "{}",
    '{"publicKey":7}',
    '{"publicKey":"zz"}',
    '{"publicKey":"abcd"}',
    `{"publicKey":"${"ab".repeat(33)}"}`,
  ]) {
    fs.writeFileSync(key, text);
    await withFolder(folder, async (data) => {
      await assert.rejects(prepareDataFolder(data), (error: OperationError) => {
        assert.equal(error.code, "E_DATA_CORRUPT", text);
        assert.match(error.message, /device\/terminal\.key/);
        assert.match(error.next ?? "", /remove .*terminal\.key/);
        return true;
      });
    });
    assert.equal(fs.readFileSync(key, "utf8"), text);
  }
  fs.rmSync(key);
  assert.match((await withFolder(folder, firstRun)).device, /^[0-9a-f]{64}$/, "the remedy works");
});

test("the genesis of another identity is refused, as one that is damaged", async () => {
  const folder = newFolder();
  const { chain } = await withFolder(folder, firstRun);
  const file = path.join(folder, "identity/genesis.json");
  const good = fs.readFileSync(file, "utf8");
  const genesis = JSON.parse(good) as Genesis;
  const corrupt = { code: "E_DATA_CORRUPT", message: /genesis\.json/ };
  await withFolder(folder, async (data) => {
    await assert.rejects(chainOf(data, other), corrupt);
    assert.equal(fs.readFileSync(file, "utf8"), good, "left as it is");
    for (const text of [
      "",
      "{",
      "null",
      JSON.stringify({ ...genesis, chainId: 7 }),
      JSON.stringify({ ...genesis, guardian: toHex(other) }),
      JSON.stringify({ ...genesis, chainId: "00".repeat(32) }),
      JSON.stringify({ ...genesis, createdMs: genesis.createdMs + 1 }),
    ]) {
      fs.writeFileSync(file, text);
      await assert.rejects(chainOf(data, identity), corrupt, text);
    }
    fs.writeFileSync(file, good);
    assert.equal(await chainOf(data, identity), chain);
  });
});
