/**
 * Two small services on the person's own folders, for a page that has no files of its own: the
 * names of folders for a chooser, and the folder that the tour plays in.
 *
 * Invariants: nothing outside the home is listed and nothing of the product's own; names only,
 * bounded; the tour never writes into a folder that it did not make.
 */
import fs from "node:fs";
import path from "node:path";
import { OperationError } from "@ioi/base";
import { foldersListedMax, foldersLookedAtMax, tourFoldersMax } from "./limits.ts";

export interface FolderListing {
  readonly path: string;
  readonly names: string[];
  readonly files: string[];
  readonly truncated: boolean;
}

const isWithin = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(outer === "/" ? outer : `${outer}/`);

const refused = (message: string, cause?: unknown): OperationError =>
  new OperationError("E_FOLDER_REFUSED", message, { cause });

const realFolder = (given: string): string => {
  if (!path.isAbsolute(given) || given.includes("\0") || given.length > 4096) {
    throw refused("the folder's path is not absolute");
  }
  try {
    const real = fs.realpathSync(given);
    if (fs.statSync(real).isDirectory()) return real;
  } catch (cause) {
    throw refused("the folder cannot be read", cause);
  }
  throw refused("it is not a folder");
};

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Sub-folders and files that are neither hidden nor links. */
export const listFolders = (
  home: string,
  productFolders: readonly string[],
  given: string,
): FolderListing => {
  const root = realFolder(home);
  const folder = given === "" ? root : realFolder(given);
  if (!isWithin(folder, root)) throw refused("only folders of the home are listed");
  const own = productFolders.map((each) => {
    try {
      return fs.realpathSync(each);
    } catch {
      return each;
    }
  });
  if (own.some((each) => isWithin(folder, each))) throw refused("it belongs to the product");
  const names: string[] = [];
  const files: string[] = [];
  let truncated = false;
  let directory: fs.Dir;
  try {
    directory = fs.opendirSync(folder);
  } catch (cause) {
    throw refused("the folder cannot be read", cause);
  }
  try {
    for (let looked = 0; ; looked++) {
      const entry = directory.readSync();
      if (entry === null) break;
      if (looked >= foldersLookedAtMax || names.length + files.length >= foldersListedMax) {
        truncated = true;
        break;
      }
      if (entry.name.startsWith(".")) continue;
      if (entry.isFile()) files.push(entry.name);
      if (!entry.isDirectory()) continue;
      if (own.some((each) => isWithin(path.join(folder, entry.name), each))) continue;
      names.push(entry.name);
    }
  } finally {
    directory.closeSync();
  }
  return { path: folder, names: names.sort(byName), files: files.sort(byName), truncated };
};

/** Says that a folder is the tour's. */
const mark = ".ioi-tour";

const tourFiles: Readonly<Record<string, string>> = {
  [mark]: "This folder was made for the tour of IOI. It can be removed.\n",
  "welcome.txt":
    "Welcome.\n\nEverything that happens in this folder goes through the gate: it is judged,\n" +
    "permitted with a ticket, done by a confined driver, and receipted.\n",
  "draft.txt": "A first draft. The tour changes it, and undoes the change.\n",
  "old/receipt-2025-12.txt": "Paper, 12.40\n",
  "old/receipt-2026-01.txt": "Ink, 31.90\n",
};

const isOurs = (folder: string): boolean => {
  const marker = fs.lstatSync(path.join(folder, mark), { throwIfNoEntry: false });
  return marker?.isFile() === true;
};

/** Makes the tour's folder in the home, or mends the one that is there. */
export const tourFolder = (home: string): string => {
  const root = realFolder(home);
  for (let n = 1; n <= tourFoldersMax; n++) {
    const folder = path.join(root, n === 1 ? "ioi-tour" : `ioi-tour-${n}`);
    const there = fs.lstatSync(folder, { throwIfNoEntry: false });
    if (there !== undefined && !(there.isDirectory() && isOurs(folder))) continue;
    fs.mkdirSync(path.join(folder, "old"), { recursive: true, mode: 0o755 });
    for (const [name, text] of Object.entries(tourFiles)) {
      try {
        fs.writeFileSync(path.join(folder, name), text, { flag: "wx", mode: 0o644 });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
    }
    return folder;
  }
  throw refused(`${tourFoldersMax} folders with the tour's name are there and are not the tour's`);
};
