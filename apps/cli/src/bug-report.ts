/**
 * The file that a bug leaves behind: what is needed to find it, and nothing of the person's.
 *
 * Kept: error names, frames inside the product (relative), versions, the command's name and the
 * names of its flags. Removed: quoted text, paths, long hex, argument values, the environment.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { bugFramesMax } from "./limits.ts";

const root = resolve(import.meta.dirname, "../../..");

/** Words only: quoted parts, paths, hex and long numbers are what content hides in. */
export const redact = (text: string): string =>
  text
    .replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g, '"..."')
    .replaceAll(/\{.*\}|\[.*\]/gs, "{...}")
    .replaceAll(/(?:file:\/\/)?(?:\/[^\s/:)"']+){2,}\/?/g, "<path>")
    .replaceAll(/\b[0-9a-fA-F]{16,}\b/g, "<hex>")
    .replaceAll(/\b\d{7,}\b/g, "<number>");

const frame = (line: string): string => {
  const at = line.trim();
  const inside = at.replaceAll(`file://${root}/`, "").replaceAll(`${root}/`, "");
  return inside === at && !/\bnode:/.test(at) ? redact(at) : inside;
};

/** The frames of a stack, without the message before them. */
const frames = (error: Error): readonly string[] =>
  (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, bugFramesMax)
    .map(frame);

const chain = (error: unknown): readonly unknown[] => {
  const all: unknown[] = [];
  for (let at = error; at !== undefined && all.length < 8;) {
    if (!(at instanceof Error)) {
      all.push({ name: typeof at });
      break;
    }
    all.push({ name: at.name, message: redact(at.message), frames: frames(at) });
    at = at.cause;
  }
  return all;
};

export const bugReport = (error: unknown, argv: readonly string[]): unknown => ({
  schema: "ioi.bug/1",
  node: process.versions.node,
  platform: `${process.platform} ${process.arch}`,
  command: argv.find((word) => /^[a-z][a-z-]{0,20}$/.test(word)) ?? "",
  flags: argv.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.replace(/=.*$/s, "")),
  errors: chain(error),
});

/** Where the report went; undefined where nothing can be written. */
export const writeBugReport = (
  error: unknown,
  argv: readonly string[],
  dataFolder: string | undefined,
): string | undefined => {
  const logs = dataFolder === undefined ? undefined : join(dataFolder, "logs");
  const folders = logs !== undefined && existsSync(logs) ? [logs, tmpdir()] : [tmpdir()];
  for (const folder of folders) {
    const file = join(folder, `ioi-bug-${randomUUID()}.json`);
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(file, `${JSON.stringify(bugReport(error, argv), null, 2)}\n`, { mode: 0o600 });
      return file;
    } catch {
      // A full or read-only disk: the next folder, or no file at all.
    }
  }
  return undefined;
};
