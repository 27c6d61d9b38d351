/**
 * An older data folder becomes one of this version, before anything else writes in it.
 *
 * First everything that a migration or the new version may change is copied to `backups/format-N/`;
 * then the steps run; FORMAT is written last, so that whatever stops it anywhere is done again by
 * the next start, from the same beginning. The copy has the keys as the folder has them, and stays
 * in the folder. Copies for undo are not copied: nothing changes them.
 *
 * Invariant: before each migration there is a copy of what the folder holds then. Where somebody went
 * back to the older version meanwhile it is another one, `format-N.2` and so on; no copy is overwritten.
 * Bounds: `formatCopiesMax` copies of a format; then nothing is migrated.
 */
import fs from "node:fs";
import fsp from "node:fs/promises";
import path from "node:path";
import { InvariantError, OperationError, utf8Encode } from "@ioi/base";
import { type DataFolder, dataFormat } from "@ioi/host/ports";
import { formatCopiesMax } from "./limits.ts";

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

/** What there is to copy, by name: sizes and times of files, which a copy keeps to the millisecond. */
const inventory = async (folder: string): Promise<string> => {
  const lines: string[] = [];
  const visit = async (name: string): Promise<void> => {
    const full = path.join(folder, name);
    const stat = await fsp.lstat(full);
    const facts = stat.isFile() ? `${stat.size} ${Math.round(stat.mtimeMs)}` : "";
    lines.push(`${name} ${stat.mode.toString(8)} ${facts}`);
    if (!stat.isDirectory()) return;
    for (const inner of await fsp.readdir(full)) await visit(path.join(name, inner));
  };
  for (const name of await fsp.readdir(folder)) if (!untouched.has(name)) await visit(name);
  return lines.toSorted().join("\n");
};

/** Where the folder as it is now is kept, or is to be. */
const placeOf = async (folder: string, format: number): Promise<string> => {
  let free: string | undefined;
  const present = await inventory(folder);
  for (let n = 1; n <= formatCopiesMax; n++) {
    const copy = path.join(folder, "backups", `format-${format}${n === 1 ? "" : `.${n}`}`);
    // Nothing was changed since: a migration that was stopped, or one that was taken back.
    if (!fs.existsSync(copy)) free ??= copy;
    else if ((await inventory(copy)) === present) return copy;
  }
  if (free !== undefined) return free;
  throw new OperationError(
    "E_DATA_MIGRATION",
    `${path.join(folder, "backups")} has ${formatCopiesMax} copies of format ${format} already`,
    { next: "Move the copies in backups/ that are not needed any more away, and start again." },
  );
};

/** A whole copy, or none: it has its name only once it is on the disk. */
const keepCopy = async (folder: string, format: number): Promise<string> => {
  const copy = await placeOf(folder, format);
  if (fs.existsSync(copy)) return copy;
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
  return copy;
};

/** Where the folder as it was is kept; undefined where nothing had to change. */
export const migrateDataFolder = async (data: DataFolder): Promise<string | undefined> => {
  if (data.format === dataFormat) return undefined;
  let copy: string;
  try {
    copy = await keepCopy(data.path, data.format);
  } catch (cause) {
    if (cause instanceof OperationError) throw cause;
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
