/** A digest of what a folder holds: names, kinds, modes, sizes, link targets and modification times. */
import { createHash } from "node:crypto";
import { encodeCanonical } from "@ioi/wire";
import type { TreeItem } from "../fs/tree.ts";

export const treeDigest = (items: readonly TreeItem[]): Uint8Array => {
  const [top] = items;
  const hash = createHash("sha256");
  for (const { path, entry } of items.slice(1)) {
    const { kind, mode, size, times, target } = entry;
    hash.update(
      encodeCanonical([
        path.slice((top?.path ?? "").length),
        kind,
        mode,
        size ?? 0,
        target ?? "",
        // A folder's own times follow from what happens in it, and undo of that puts them back.
        kind === "directory" || times === undefined ? 0 : [times.mtime.s, times.mtime.n],
      ]),
    );
  }
  return Uint8Array.from(hash.digest());
};
