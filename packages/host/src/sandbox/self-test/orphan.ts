/**
 * A parent that dies: starts a program that holds descriptor 3, with or without a sandbox, waits
 * until it runs and ends itself without warning.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { spawnSandboxed } from "../spawn.ts";
import type { SandboxSpec } from "../spec.ts";

const [specText = "null", script = ""] = process.argv.slice(2);
const spec = JSON.parse(specText) as SandboxSpec | null;
const stdio = ["ignore", "pipe", "ignore", 3] as const;
const args = ["-c", script];
const child =
  spec === null
    ? spawn("/bin/sh", args, { stdio: [...stdio], detached: true })
    : spawnSandboxed(spec, { program: "/bin/sh", args, stdio }).child;
if (child.stdout !== null) await once(child.stdout, "data");
process.kill(process.pid, "SIGKILL");
