/**
 * `ioi-verify FILE --key KEY`: one file, one public key, one report. Shares no code with the product
 * but the vocabulary and the definitions of messages; see `@ioi/verifier`.
 *
 * Bounds: files of `fileBytesMax`.
 */
import { readFileSync, statSync } from "node:fs";
import { err, exitCodes, fromHex, ok, type Result, utf8Decode } from "@ioi/base";
import { verifyChain, verifyReceipts } from "@ioi/verifier";
import { parseJson } from "@ioi/wire";
import { fileBytesMax } from "./limits.ts";
import { failed, type Outcome } from "./outcome.ts";
import { runPage, runRetrieval } from "./retrieval.ts";

export const help = `Verifies what IOI exported, with the Guardian's public key or a root alone.

Usage: ioi-verify FILE --key KEY
       ioi-verify retrieval PROOF (--commit HEX | --root HEX [--index-root HEX]) [--query FILE]
                  [--nearest sampled|exact] [--challenge HEX]
       ioi-verify page FILE [--proof PROOF] [--commit HEX] [--root HEX] [--index-root HEX]

  FILE   an export of receipts (./ioi receipts export FILE) or a proof of the chain
         (./ioi chain proof KEY --json > FILE)
  KEY    the Guardian's public key: a file that holds it in hex, or the hex itself
         (ioi-data/identity; get it from its owner, not together with the file)

  retrieval   a proof of recall (./ioi scs prove): the memories, and the search over their index
    --commit      hash of the commit, which covers both roots; or
    --root        root of the log, for the memories, and
    --index-root  root of the index, for the search
    --query       a file with the query's components as a list of integers: your own, not the proof's
    --nearest     refuse what does not show that none is nearer: exact, by every vector of the index;
                  sampled, by 460 that are drawn: at 99 % less than a hundredth is nearer
    --challenge   refuse what is not drawn by these 64 hex digits, which you chose when you knew the
                  root: whoever can try many indices or questions passes any other draw
  page        writes the same as a page for browsers; it runs from the file, without network

  ioi-verify receipts.json --key guardian.pub
  ioi-verify retrieval answer.proof --commit 6f0e...
  ioi-verify retrieval answer.proof --commit 6f0e... --nearest sampled --challenge 91c4...
  ioi-verify page verify.html --proof answer.proof

Prints a report as JSON. Exit: 0 good · 2 usage · 5 a file cannot be read, or written ·
6 wrong, or the file is no export and no proof.

A good report shows that what the file holds is what the owner of the key signed. It does not show
that the file is the newest, nor, while the report says "anchor: software", that nothing was rolled back.
`;

const readText = (path: string): Result<string, string> => {
  try {
    if (statSync(path).size > fileBytesMax) {
      return err(`${path} is larger than ${fileBytesMax} bytes`);
    }
    const text = utf8Decode(readFileSync(path));
    return text === undefined ? err(`${path} is not UTF-8`) : ok(text);
  } catch (error) {
    return err(`${path} cannot be read: ${error instanceof Error ? error.message : "unknown"}`);
  }
};

const readKey = (given: string): Result<Uint8Array, string> => {
  const direct = fromHex(given);
  if (direct !== undefined && direct.length > 0) return ok(direct);
  const text = readText(given);
  if (!text.ok) return text;
  const key = fromHex(text.value.trim());
  return key === undefined || key.length === 0 ? err(`${given} holds no key in hex`) : ok(key);
};

/** The report on a file's text; a text that is no export and no proof is a rejection. */
const judge = (text: string, key: Uint8Array): Outcome => {
  const json = parseJson(text);
  const malformed = (why: string): Outcome =>
    failed(exitCodes.wrong, why, "make the file again: ./ioi receipts export FILE");
  if (!json.ok) return malformed(`the file is not JSON: ${json.error.message}`);
  const value: unknown = json.value;
  const isChain =
    typeof value === "object" &&
    value !== null &&
    "schema" in value &&
    (value.schema === "ioi.chain-proof/1" || value.schema === "ioi.chain-proof/2");
  const report = isChain ? verifyChain(value, key) : verifyReceipts(value, key);
  if (!report.ok) return malformed(report.error.message);
  return {
    exit: report.value.ok ? exitCodes.done : exitCodes.wrong,
    stdout: `${JSON.stringify(report.value)}\n`,
  };
};

/** What the program does with its arguments. */
export const run = (args: readonly string[]): Outcome => {
  if (args.includes("--help") || args.includes("-h")) return { exit: exitCodes.done, stdout: help };
  const [first, ...others] = args;
  if (first === "retrieval") return runRetrieval(others);
  if (first === "page") return runPage(others);
  const at = args.indexOf("--key");
  const given = at < 0 ? undefined : args[at + 1];
  const rest = args.filter((_, index) => at < 0 || (index !== at && index !== at + 1));
  const [file] = rest;
  if (given === undefined || file === undefined || rest.length !== 1) {
    return failed(exitCodes.usage, "one FILE and --key KEY are wanted", "ioi-verify --help");
  }
  const key = readKey(given);
  if (!key.ok) return failed(exitCodes.failed, key.error, "name the file of the public key");
  const text = readText(file);
  if (!text.ok) return failed(exitCodes.failed, text.error, "name a file that can be read");
  return judge(text.value, key.value);
};
