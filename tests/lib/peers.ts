/**
 * Foreign implementations of tests/peers, each with a manifest and a lockfile of its own: installed on
 * demand into a folder of the run, as the lockfile says, without running anything of theirs.
 */
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { projectRoot, type Scratch } from "./kernel.ts";

const pnpm = path.join(projectRoot, ".runtime/bin/pnpm");
const installMs = 120_000;

export type InstalledPeer =
  | { readonly type: "there"; readonly folder: string }
  | { readonly type: "missing"; readonly why: string };

/** Installs `tests/peers/NAME`; why not, where it cannot be had here. */
export const installPeer = async (
  name: string,
  scratch: Scratch,
  env: Readonly<Record<string, string>> = {},
): Promise<InstalledPeer> => {
  const folder = scratch.folder(`peer-${name}`);
  for (const file of ["package.json", "pnpm-lock.yaml"]) {
    fs.copyFileSync(path.join(projectRoot, "tests/peers", name, file), path.join(folder, file));
  }
  const args = ["install", "--ignore-workspace", "--frozen-lockfile", "--ignore-scripts"];
  const how = ["--node-linker=hoisted", "--prefer-offline", "--reporter=silent"];
  const options = { cwd: folder, timeout: installMs, env: { ...process.env, ...env } };
  try {
    await promisify(execFile)(pnpm, [...args, ...how], options);
    return { type: "there", folder };
  } catch {
    return { type: "missing", why: `cannot be installed here (tests/peers/${name})` };
  }
};

export const peerVersion = (folder: string, name: string): string => {
  const manifest = path.join(folder, "node_modules", name, "package.json");
  return (JSON.parse(fs.readFileSync(manifest, "utf8")) as { readonly version: string }).version;
};
