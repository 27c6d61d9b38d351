/**
 * README's transcript: a few commands, really run in a scratch home, and what they print. What
 * differs from run to run (ids, hashes, times, the home) is replaced by a sign. They stand in a
 * folder of that home, as somebody's clone does: no folder inside of it may be worked on.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./project.ts";

const commands: readonly string[] = [
  "mkdir ~/W && echo hi > ~/W/a.txt",
  "./ioi run --workspace ~/W '/move a.txt b.txt'",
  "./ioi run --workspace ~/W '/read /etc/shadow'",
  "./ioi undo",
  "./ioi receipts verify",
];

const begin =
  "<!-- transcript: made by `node tools/gen-transcript.ts`, compared by `./ioi suite docs` -->";
const end = "<!-- end of transcript -->";

const commandTimeoutMs = 60_000;

/** Replaces what no two runs have in common. */
export const steady = (text: string, home: string): string =>
  text
    .replaceAll(home, "/home/you")
    .replaceAll(/\b[0-9a-f]{64}\b/g, "…")
    .replaceAll(/\bs-[0-9a-f]{12}\b/g, "s-…")
    .replaceAll(/\b(?:\d+ min )?\d+(?:\.\d)? m?s\b/g, "… ms");

export const makeTranscript = async (root: string): Promise<string> => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "ioi-transcript-")));
  const folder = join(home, "ioi");
  const options = { cwd: folder, env: { HOME: home }, timeoutMs: commandTimeoutMs };
  try {
    mkdirSync(folder);
    symlinkSync(join(root, "ioi"), join(folder, "ioi"));
    const shown: string[] = [];
    for (const command of commands) {
      const ended = await run("sh", ["-c", command], options);
      shown.push(`$ ${command}\n${steady(ended.stdout, home)}`);
    }
    return `${begin}\n\n\`\`\`console\n${shown.join("").trimEnd()}\n\`\`\`\n\n${end}`;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
};

/** The document with another transcript between its marks. */
export const withTranscript = (document: string, transcript: string): string => {
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from === -1 || to === -1) throw new Error("README.md has no marks for the transcript");
  return document.slice(0, from) + transcript + document.slice(to + end.length);
};
