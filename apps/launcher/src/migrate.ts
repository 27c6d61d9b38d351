/**
 * An older data folder becomes one of this version, before anything else writes in it.
 *
 * First everything that a migration or the new version may change is copied to `backups/format-N/`;
 * then the steps run; FORMAT is written last, so that whatever stops it anywhere is done again by
 * the next start, from the same beginning. The copy has the keys as the folder has them, and stays
 * in the folder. Copies for undo are not copied: nothing changes them.
 */
import fs from "node:fs";
import fsp from "node:fs/promises";
import path from "node:path";
import { InvariantError, OperationError, utf8Encode } from "@ioi/base";
import { type DataFolder, dataFormat } from "@ioi/host/ports";

/** What stays as it is, whatever the format: copies for undo, logs, sockets, the lock. */
const untouched: ReadonlySet<string> = new Set(["backups", "lock", "logs", "run", "vault"]);

/** From a format to the next one. */
const steps: ReadonlyMap<number, (folder: string) => Promise<void>> = new Map([
  // Format 2 only adds: receipts, files and folders that format 1 did not know. Its logs and
  // journals are read as they are; an older version must not read the new ones.
  [1, async () => undefined],
  // Format 3: the chain is ordered by consensus. It goes on from its former files by itself, at the
  // first start of the processes that own them; an older version must not vote beside it.
  [2, async () => undefined],
]);

const syncAll = async (folder: string): Promise<void> => {
  for (const entry of await fsp.readdir(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) await syncAll(full);
    else if (entry.isFile()) {
      await using handle = await fsp.open(full, "r");
      await handle.sync();
    }
  }
  await using handle = await fsp.open(folder, "r");
  await handle.sync();
};

/** A whole copy, or none: it has its name only once it is on the disk. */
const keepCopy = async (folder: string, copy: string): Promise<void> => {
  if (fs.existsSync(copy)) return;
  const partial = `${copy}.partial`;
  await fsp.rm(partial, { recursive: true, force: true });
  await fsp.mkdir(partial, { recursive: true, mode: 0o700 });
  for (const name of await fsp.readdir(folder)) {
    if (untouched.has(name)) continue;
    await fsp.cp(path.join(folder, name), path.join(partial, name), {
      recursive: true,
      preserveTimestamps: true,
      errorOnExist: true,
      mode: fs.constants.COPYFILE_FICLONE,
    });
  }
  await syncAll(partial);
  await fsp.rename(partial, copy);
  await using handle = await fsp.open(path.dirname(copy), "r");
  await handle.sync();
};

/** Where the folder as it was is kept; undefined where nothing had to change. */
export const migrateDataFolder = async (data: DataFolder): Promise<string | undefined> => {
  if (data.format === dataFormat) return undefined;
  const copy = path.join(data.path, "backups", `format-${data.format}`);
  try {
    await keepCopy(data.path, copy);
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new OperationError(
      "E_DATA_MIGRATION",
      `the copy of ${data.path} before its migration: ${code === "" ? String(cause) : code}`,
      { cause },
    );
  }
  for (let format = data.format; format < dataFormat; format++) {
    const step = steps.get(format);
    if (step === undefined) throw new InvariantError(`no migration from format ${format}`);
    await step(data.path);
  }
  await data.files.replaceFile("FORMAT", utf8Encode(`${JSON.stringify({ format: dataFormat })}\n`));
  return copy;
};
