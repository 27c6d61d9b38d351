/**
 * What a process of ours needs to run its own code: the runtime, the packages and their
 * dependencies, for reading. Only these parts of the project folder, because the data folder may
 * stand beside them. And what the runtime compiled of it, where there is any.
 */
import { existsSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { codeCacheFolder } from "./code-cache.ts";
import type { SandboxBind } from "./spec.ts";

const projectRoot = fileURLToPath(new URL("../../../../", import.meta.url)).replace(/\/$/, "");

const parts = ["packages", "apps", "node_modules", "package.json"];

let binds: readonly SandboxBind[] | null = null;

export const codeBinds = (): readonly SandboxBind[] =>
  (binds ??= [
    realpathSync(process.execPath),
    ...[...parts.map((part) => `${projectRoot}/${part}`), codeCacheFolder].filter((path) =>
      existsSync(path),
    ),
  ].map((path) => ({ path, access: "read" })));
