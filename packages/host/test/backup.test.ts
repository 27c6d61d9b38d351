/** Backups: whole or not at all, whatever is cut, changed, reordered or planted. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { concatBytes, OperationError, SeededRandom, uintBE, utf8Encode } from "@ioi/base";
import { domainBytes, domains } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import { backupEntry, backupManifest } from "../src/backup/format.ts";
import { type BackupManifest, readBackup, writeBackup } from "../src/backup/index.ts";
import { nodeCrypto } from "../src/crypto/index.ts";

const base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ioi-backup-")));
after(() => fs.rmSync(base, { recursive: true }));
let places = 0;
const place = (): string => path.join(base, `p${(places += 1)}`);

const identity = nodeCrypto.generate("ml-dsa-65");
const sign = (bytes: Uint8Array): Uint8Array =>
  nodeCrypto.sign(identity, domainBytes(domains.backup, bytes));
const { signal } = new AbortController();

const about = {
  createdMs: 1_700_000_000_000,
  format: 2,
  identity: identity.publicKey,
  receipts: { size: 3, root: new Uint8Array(32).fill(7) },
};

/** A folder with all that a data folder can hold. */
const source = (large = 0): string => {
  const folder = place();
  fs.mkdirSync(path.join(folder, "a/b"), { recursive: true });
  fs.writeFileSync(path.join(folder, "FORMAT"), '{"format":2}\n', { mode: 0o600 });
  fs.writeFileSync(path.join(folder, "a/secret"), "the key", { mode: 0o400 });
  fs.writeFileSync(path.join(folder, "a/b/empty"), "");
  fs.writeFileSync(path.join(folder, "a/b/\u00fcber \u{1f600}"), new Uint8Array(large).fill(5));
  fs.symlinkSync("../secret", path.join(folder, "a/b/link"));
  fs.utimesSync(path.join(folder, "a/secret"), 1_600_000_000, 1_600_000_000);
  fs.chmodSync(path.join(folder, "a"), 0o500);
  for (const name of ["run", "backups"]) {
    fs.mkdirSync(path.join(folder, name));
    fs.writeFileSync(path.join(folder, name, "x"), "left out");
  }
  fs.writeFileSync(path.join(folder, "lock"), "1");
  return folder;
};

const treeOf = (folder: string): readonly string[] =>
  fs
    .readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !/^(?:run|backups|lock)(?:\/|$)/.test(name))
    .toSorted()
    .map((name) => {
      const full = path.join(folder, name);
      const stat = fs.lstatSync(full);
      const content = stat.isFile()
        ? fs.readFileSync(full, "hex")
        : stat.isSymbolicLink()
          ? fs.readlinkSync(full)
          : "";
      const time = stat.isSymbolicLink() ? 0 : Math.trunc(stat.mtimeMs);
      return `${name} ${stat.mode.toString(8)} ${time} ${content}`;
    });

const backUp = async (folder: string, passphrase?: string): Promise<string> => {
  const file = place();
  await writeBackup(nodeCrypto, { folder, file, passphrase, about, sign, signal });
  return file;
};

interface Restored {
  readonly code: string;
  readonly folder: string;
  readonly manifest: BackupManifest | undefined;
}

const restore = async (file: string, passphrase?: string, key?: Uint8Array): Promise<Restored> => {
  const folder = place();
  fs.mkdirSync(folder);
  const input = { file, folder, passphrase, identity: key, signal };
  try {
    return { code: "", folder, manifest: await readBackup(nodeCrypto, input) };
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return { code: error.code, folder, manifest: undefined };
  }
};

for (const passphrase of [undefined, "correct horse \u00e9"]) {
  const how = passphrase === undefined ? "plain" : "sealed";
  test(`${how}: comes back byte for byte, with modes, times and links`, async () => {
    const folder = source(3_000_000);
    const file = await backUp(folder, passphrase);
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    const { code, folder: back, manifest } = await restore(file, passphrase, identity.publicKey);
    assert.equal(code, "");
    assert.deepEqual(treeOf(back), treeOf(folder));
    assert.deepEqual(
      [manifest?.entries, manifest?.bytes, manifest?.receipts],
      [7, 3_000_020, about.receipts],
    );
  });

  test(`${how}: every cut and every changed byte is found`, async () => {
    const file = await backUp(source(50), passphrase);
    const bytes = fs.readFileSync(file);
    const random = new SeededRandom(`backup/${how}`);
    // A key is stretched for every opening that gets so far: fewer of those.
    const tries = passphrase === undefined ? 60 : 3;
    const bad = place();
    for (let at = 0; at < tries; at++) {
      const cut = random.below(bytes.length);
      fs.writeFileSync(bad, bytes.subarray(0, cut));
      assert.equal((await restore(bad, passphrase)).code, "E_BACKUP_CORRUPT", `cut at ${cut}`);
      const changed = Buffer.from(bytes);
      const flip = random.below(bytes.length);
      changed[flip] = (changed[flip] as number) ^ (1 << random.below(8));
      fs.writeFileSync(bad, changed);
      const { code } = await restore(bad, passphrase);
      const newer = flip === 8 || flip === 9;
      assert.ok(
        code === "E_BACKUP_CORRUPT" || (newer && code === "E_BACKUP_VERSION"),
        `byte ${flip}: ${code || "accepted"}`,
      );
    }
    fs.writeFileSync(bad, Buffer.concat([bytes, Buffer.of(0)]));
    assert.equal((await restore(bad, passphrase)).code, "E_BACKUP_CORRUPT", "a byte more");
    assert.equal((await restore(file, passphrase)).code, "", "control");
  });
}

test("sealed, nothing of it can be read; without its passphrase it does not open", async () => {
  const folder = source();
  const sealed = fs.readFileSync(await backUp(folder, "p"));
  const plain = fs.readFileSync(await backUp(folder));
  assert.equal(sealed.includes("the key") || sealed.includes("secret"), false);
  assert.equal(plain.includes("the key") && plain.includes("secret"), true, "control");
  const file = await backUp(folder, "p");
  assert.equal((await restore(file)).code, "E_BACKUP_LOCKED");
  assert.equal((await restore(file, "q")).code, "E_BACKUP_LOCKED");
  await assert.rejects(backUp(folder, ""), { code: "E_BACKUP_LOCKED" });
});

test("pieces of a sealed backup cannot be moved, dropped or mixed", async () => {
  const file = await backUp(source(3_000_000), "p");
  const bytes = fs.readFileSync(file);
  const chunks: Buffer[] = [];
  for (let at = 70; at < bytes.length;) {
    const length = 4 + (bytes.readUInt32BE(at) & 0x7fff_ffff) + 16;
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  assert.ok(chunks.length >= 3);
  const [first, second, ...rest] = chunks as [Buffer, Buffer, ...Buffer[]];
  const bad = place();
  for (const mixed of [
    [second, first, ...rest],
    [first, ...rest],
    [first, first, ...rest],
  ]) {
    fs.writeFileSync(bad, Buffer.concat([bytes.subarray(0, 70), ...mixed]));
    assert.equal((await restore(bad, "p")).code, "E_BACKUP_CORRUPT");
  }
});

test("another Guardian's backup is not taken for this one's", async () => {
  const file = await backUp(source());
  const other = nodeCrypto.generate("ml-dsa-65").publicKey;
  assert.equal((await restore(file, undefined, other)).code, "E_BACKUP_FOREIGN");
});

/** A plain archive with any entries at all, signed as it should be. */
const forged = (
  entries: readonly (readonly [Parameters<typeof backupEntry.toCanonical>[0], Uint8Array])[],
  changes: Partial<BackupManifest> = {},
): string => {
  const parts: Uint8Array[] = [];
  for (const [entry, content] of entries) {
    const encoded = schema.encode(backupEntry, entry);
    parts.push(uintBE(encoded.length, 4), encoded);
    if (entry.type === "file") parts.push(content, nodeCrypto.sha256(content));
  }
  const before = concatBytes(...parts, new Uint8Array(4));
  const manifest = schema.encode(backupManifest, {
    version: 1,
    ...about,
    entries: entries.length,
    bytes: entries.reduce((sum, [entry]) => sum + entry.size, 0),
    content: nodeCrypto.sha256(before),
    ...changes,
  });
  const signature = sign(manifest);
  const body = concatBytes(
    before,
    uintBE(manifest.length, 4),
    manifest,
    uintBE(signature.length, 4),
    signature,
  );
  const plain = concatBytes(utf8Encode("IOIBACK\0"), uintBE(1, 2), new Uint8Array(4 + 16 + 32));
  const header = concatBytes(plain, nodeCrypto.sha256(plain).subarray(0, 8));
  const file = place();
  fs.writeFileSync(file, concatBytes(header, uintBE(body.length + 0x8000_0000, 4), body));
  return file;
};

const file = (name: string, text = "x") =>
  [
    { path: name, type: "file", mode: 0o600, mtimeMs: 0, size: text.length },
    utf8Encode(text),
  ] as const;
const none = new Uint8Array(0);
const folderAt = (name: string) =>
  [{ path: name, type: "folder", mode: 0o700, mtimeMs: 0, size: 0 }, none] as const;
const link = (name: string, target: string) =>
  [{ path: name, type: "link", mode: 0o777, mtimeMs: 0, size: 0, target }, none] as const;

test("names that lead elsewhere, twins, links on the way: refused, and nothing is written outside", async () => {
  const outside = place();
  fs.mkdirSync(outside);
  const bad: readonly (readonly (readonly [
    Parameters<typeof backupEntry.toCanonical>[0],
    Uint8Array,
  ])[])[] = [
    [file("../x")],
    [file("/etc/x")],
    [folderAt("a"), file("a/../../x")],
    [file("a/x")],
    [folderAt("a"), file("a//x")],
    [file("a\0b")],
    [file("")],
    [file("."), file("..")],
    [file("a"), file("a")],
    [folderAt("a"), folderAt("a")],
    [link("a", outside), file("a/x")],
    [file("a"), file("a/x")],
  ];
  for (const entries of bad) {
    const { code } = await restore(forged(entries));
    assert.equal(code, "E_BACKUP_CORRUPT", JSON.stringify(entries.map(([{ path: name }]) => name)));
  }
  assert.deepEqual(fs.readdirSync(outside), []);
  const good = await restore(forged([folderAt("a"), file("a/x"), link("b", outside)]));
  assert.equal(good.code, "", "control");
});

test("a manifest that says something else than the archive holds is refused", async () => {
  const entries = [file("a")];
  for (const changes of [{ entries: 2 }, { bytes: 9 }, { content: new Uint8Array(32) }]) {
    assert.equal((await restore(forged(entries, changes))).code, "E_BACKUP_CORRUPT");
  }
  assert.equal((await restore(forged(entries))).code, "", "control");
});

test("a pipe, a socket and an existing file: no backup, and nothing is left behind", async () => {
  const folder = source();
  const taken = place();
  fs.writeFileSync(taken, "mine");
  const input = { folder, file: taken, passphrase: undefined, about, sign, signal };
  await assert.rejects(writeBackup(nodeCrypto, input), { code: "EEXIST" });
  assert.equal(fs.readFileSync(taken, "utf8"), "mine");
  const bad = place();
  const aborted = AbortSignal.abort(new Error("stopped"));
  await assert.rejects(
    writeBackup(nodeCrypto, { ...input, file: bad, signal: aborted }),
    /stopped/,
  );
  assert.equal(fs.existsSync(bad), false);
});
