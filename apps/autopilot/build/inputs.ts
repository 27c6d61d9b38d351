/**
 * What the built page depends on, as one hash: its own sources, those of the packages that are
 * bundled with it, and the lockfile. A page of the same hash need not be built again.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const folders: readonly string[] = [
  "apps/autopilot/build",
  "apps/autopilot/public",
  "apps/autopilot/src",
  "packages/base/src",
  "packages/crypto/src",
  "packages/guardian/src/verify",
  "packages/storage/src",
  "packages/wire/src",
];

const files: readonly string[] = [
  "apps/autopilot/index.html",
  "apps/autopilot/package.json",
  "pnpm-lock.yaml",
];

const filesBelow = (root: string, folder: string): readonly string[] =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));

/** Hash of everything that goes into the page, as 32 hex digits. */
export const inputsHash = (root: string): string => {
  const names = [...folders.flatMap((folder) => filesBelow(root, folder)), ...files];
  const hash = createHash("sha256");
  for (const name of names.toSorted((a, b) => (a < b ? -1 : 1))) {
    const bytes = fs.readFileSync(path.join(root, name));
    hash.update(`${name}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex").slice(0, 32);
};
