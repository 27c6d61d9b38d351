/** What a person types unseen, and passphrases from a file or from there. */
import { resolve } from "node:path";
import type { CommandContext } from "./context.ts";
import { readBounded } from "./kernel/folder.ts";
import { secretInputBytesMax } from "./limits.ts";
import { usage } from "./report.ts";

/** Typed unseen: key by key, or pasted, until Enter. */
export const typedUnseen = async (context: CommandContext, prompt: string): Promise<string> => {
  const { io, signal } = context;
  io.err(`${prompt} (not shown): `);
  let text = "";
  for (;;) {
    const keys = await io.readKey(signal);
    // Enter, or the end of input.
    const end = [...keys].findIndex((key) => ["\r", "\n", "\u0004"].includes(key));
    for (const key of end < 0 ? keys : [...keys].slice(0, end)) {
      text = key === "\u007f" || key === "\b" ? text.slice(0, -1) : text + key;
    }
    if (text.length > secretInputBytesMax) throw usage("the value is too long");
    if (end >= 0) break;
  }
  io.err("\n");
  return text;
};

/** The passphrase in the first line of the file that `--passphrase-file` names. */
export const passphraseFrom = (
  context: CommandContext,
  passphraseFile: string | undefined,
): string | undefined => {
  if (passphraseFile === undefined) return undefined;
  const path = resolve(context.io.cwd, passphraseFile);
  const [line = ""] = Buffer.from(readBounded(path, 4096)).toString("utf8").split(/\r?\n/);
  if (line === "") throw usage(`${path} holds no passphrase in its first line`);
  return line;
};
