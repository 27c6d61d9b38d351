/**
 * How the folders of a server are shown, where the policy refuses changes of something below them: a
 * mount for reading over it, and one over each folder on the way, so that none of them can be moved
 * aside. Of what is not there yet the nearest folder that is takes its place: nothing can be made in it.
 * Pure.
 */
import type { SandboxBind } from "@ioi/host/sandbox";
import type { McpServer } from "@ioi/wire";
import { isWithin } from "../fs/roots.ts";

const parentOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf("/")));

export const folderBinds = (
  roots: McpServer["roots"],
  readOnly: readonly string[],
  exists: (path: string) => boolean,
): readonly SandboxBind[] => {
  const binds = new Map<string, "read" | "write">(roots.map(({ path, access }) => [path, access]));
  const closed = new Set<string>();
  for (const refused of readOnly) {
    for (const { path: root, access } of roots) {
      if (access !== "write" || !isWithin(refused, root)) continue;
      let at = refused;
      while (at !== root && !exists(at)) at = parentOf(at);
      closed.add(at);
      binds.set(at, "read");
      for (let way = parentOf(at); at !== root && way !== root; way = parentOf(way)) {
        if (!binds.has(way)) binds.set(way, "write");
      }
    }
  }
  const isClosed = (path: string): boolean => [...closed].some((folder) => isWithin(path, folder));
  return [...binds].map(([path, access]) => ({ path, access: isClosed(path) ? "read" : access }));
};
