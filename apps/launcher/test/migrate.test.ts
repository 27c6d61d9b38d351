/** An older data folder: kept as it was, then brought to this version's format, once. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { OperationError } from "@ioi/base";
import { dataFormat, openDataFolder } from "@ioi/host/ports";
import { formatCopiesMax } from "../src/limits.ts";
import { migrateDataFolder } from "../src/migrate.ts";

const bases: string[] = [];
after(() => {
  for (const base of bases) fs.rmSync(base, { recursive: true });
});

/** The shape of a folder of format 1; the bytes of a real one are looked at end to end. */
const oldFiles: Readonly<Record<string, string>> = {
  FORMAT: '{"format":1}\n',
  "guardian/keystore": "keys",
  "guardian/receipts.log": "receipts",
  "identity/guardian.pub": "public",
  "orchestrator/commitments.log": "numbers",
  "workload/index/CURRENT": "index",
  "workload/journals/s-1.log": "journal",
  "vault/s-1/FORMAT": "kept for undo",
};

const oldFolder = (): string => {
  const base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ioi-migrate-")));
  bases.push(base);
  for (const [name, text] of Object.entries(oldFiles)) {
    const file = path.join(base, "data", name);
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(file, text, { mode: 0o600 });
  }
  return path.join(base, "data");
};

/** Every file with its bytes and mode, but the bookkeeping of opening and migrating. */
const contents = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    fs
      .readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => !/^(?:lock|backups|FORMAT|vault)(?:\/|$)/.test(name))
      .toSorted()
      .map((name) => {
        const stat = fs.statSync(path.join(folder, name));
        const bytes = stat.isFile() ? fs.readFileSync(path.join(folder, name), "base64") : "folder";
        return [name, `${(stat.mode & 0o777).toString(8)} ${bytes}`];
      }),
  );

const migrate = async (folder: string): Promise<string | undefined> => {
  await using data = await openDataFolder(folder);
  return await migrateDataFolder(data);
};

/** The older version ran again. */
const restoreFormat = (copy: string, folder: string): void =>
  fs.cpSync(path.join(copy, "FORMAT"), path.join(folder, "FORMAT"), { preserveTimestamps: true });

const formatOf = (folder: string): string => fs.readFileSync(path.join(folder, "FORMAT"), "utf8");

test("the folder as it was is kept whole, nothing else changes, and once is enough", async () => {
  const folder = oldFolder();
  const before = contents(folder);
  assert.ok(before.size > 6);
  const copy = await migrate(folder);
  assert.equal(copy, path.join(folder, "backups/format-1"));
  assert.deepEqual(contents(folder), before);
  assert.deepEqual(contents(copy), before);
  assert.equal(formatOf(copy), '{"format":1}\n');
  assert.equal(formatOf(folder), `{"format":${dataFormat}}\n`);
  assert.equal(fs.existsSync(path.join(copy, "vault")), false);
  assert.equal(await migrate(folder), undefined);
});

test("stopped anywhere it begins again: a partial copy is made anew, a whole one is kept", async () => {
  const folder = oldFolder();
  const before = contents(folder);
  const partial = path.join(folder, "backups/format-1.partial");
  fs.mkdirSync(path.join(partial, "guardian"), { recursive: true });
  fs.writeFileSync(path.join(partial, "guardian/receipts.log"), "half");
  const copy = (await migrate(folder)) ?? "";
  assert.deepEqual(contents(copy), before);
  assert.equal(fs.existsSync(partial), false);
  restoreFormat(copy, folder);
  assert.equal(await migrate(folder), copy);
  assert.deepEqual(fs.readdirSync(path.join(folder, "backups")), ["format-1"]);
});

test("who went back and migrates again has another copy; none is overwritten, and they are bounded", async () => {
  const folder = oldFolder();
  const journal = path.join(folder, "workload/journals/s-1.log");
  const kept = new Map<string, ReturnType<typeof contents>>();
  for (let n = 1; n <= formatCopiesMax; n++) {
    const before = contents(folder);
    const copy = (await migrate(folder)) ?? "";
    assert.equal(path.basename(copy), n === 1 ? "format-1" : `format-1.${n}`);
    kept.set(copy, before);
    restoreFormat(copy, folder);
    fs.appendFileSync(journal, "more");
  }
  for (const [copy, before] of kept) assert.deepEqual(contents(copy), before);
  const before = contents(folder);
  await assert.rejects(migrate(folder), { code: "E_DATA_MIGRATION", message: /8 copies/ });
  assert.deepEqual(contents(folder), before);
  assert.equal(formatOf(folder), '{"format":1}\n');
  const [oldest = ""] = kept.keys();
  fs.rmSync(oldest, { recursive: true });
  assert.equal(await migrate(folder), oldest);
});

test("where no copy can be made nothing is changed", async () => {
  const folder = oldFolder();
  fs.writeFileSync(path.join(folder, "backups"), "in the way");
  await assert.rejects(
    migrate(folder),
    (error: unknown) => error instanceof OperationError && error.code === "E_DATA_MIGRATION",
  );
  assert.equal(formatOf(folder), '{"format":1}\n');
});

test("a folder of this version is not touched", async () => {
  const folder = path.join(path.dirname(oldFolder()), "new");
  await using data = await openDataFolder(folder);
  assert.equal(await migrateDataFolder(data), undefined);
  assert.equal(fs.existsSync(path.join(folder, "backups")), false);
});
