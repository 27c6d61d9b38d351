/**
 * `ioi-verify retrieval PROOF`: a proof of recall, by the roots that the verifier got elsewhere; and
 * `ioi-verify page FILE`: the same as a page for browsers, that runs from a file.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { err, exitCodes, fromHex, ok, type Result, utf8Decode } from "@ioi/base";
import { recallReport, type RecallTrust, verifyRecall } from "@ioi/verifier";
import { parseJson } from "@ioi/wire";
import { proofFileBytesMax } from "./limits.ts";
import { failed, type Outcome } from "./outcome.ts";
import { verifierPage } from "./page.ts";

const options = {
  commit: { type: "string" },
  root: { type: "string" },
  "index-root": { type: "string" },
  query: { type: "string" },
  proof: { type: "string" },
} as const;

type Given = Partial<Record<keyof typeof options, string>>;

const read = (path: string): Result<Uint8Array, string> => {
  try {
    if (statSync(path).size > proofFileBytesMax) return err(`${path} is too large`);
    return ok(new Uint8Array(readFileSync(path)));
  } catch (error) {
    return err(`${path} cannot be read: ${error instanceof Error ? error.message : "unknown"}`);
  }
};

const rootOf = (
  name: string,
  given: string | undefined,
): Result<Uint8Array | undefined, string> => {
  if (given === undefined) return ok(undefined);
  const bytes = fromHex(given.toLowerCase());
  return bytes?.length === 32 ? ok(bytes) : err(`--${name} is no hash of 64 hex digits`);
};

const queryOf = (path: string | undefined): Result<Int16Array | undefined, string> => {
  if (path === undefined) return ok(undefined);
  const bytes = read(path);
  if (!bytes.ok) return bytes;
  const json = parseJson(utf8Decode(bytes.value) ?? "");
  const list: unknown = json.ok ? json.value : undefined;
  const isQuery =
    Array.isArray(list) && list.every((n) => Number.isInteger(n) && Math.abs(Number(n)) <= 2048);
  return isQuery ? ok(Int16Array.from(list as number[])) : err(`${path} is no list of integers`);
};

const trustOf = (given: Given): Result<RecallTrust, string> => {
  const commit = rootOf("commit", given.commit);
  if (!commit.ok) return commit;
  const logRoot = rootOf("root", given.root);
  if (!logRoot.ok) return logRoot;
  const indexRoot = rootOf("index-root", given["index-root"]);
  if (!indexRoot.ok) return indexRoot;
  const query = queryOf(given.query);
  if (!query.ok) return query;
  return ok({
    ...(commit.value === undefined ? {} : { commit: commit.value }),
    ...(logRoot.value === undefined ? {} : { logRoot: logRoot.value }),
    ...(indexRoot.value === undefined ? {} : { indexRoot: indexRoot.value }),
    ...(query.value === undefined ? {} : { query: query.value }),
  });
};

interface Parsed {
  readonly file: string;
  readonly given: Given;
  readonly trust: RecallTrust;
}

const parse = (args: readonly string[]): Result<Parsed, string> => {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [file] = positionals;
    if (file === undefined || positionals.length !== 1) return err("one file is wanted");
    const trust = trustOf(values);
    return trust.ok ? ok({ file, given: values, trust: trust.value }) : trust;
  } catch (error) {
    return err(error instanceof Error ? error.message : "an option is not known");
  }
};

const help = "ioi-verify --help";

export const runRetrieval = (args: readonly string[]): Outcome => {
  const parsed = parse(args);
  if (!parsed.ok) return failed(exitCodes.usage, parsed.error, help);
  const { file, trust, given } = parsed.value;
  if (given.proof !== undefined) return failed(exitCodes.usage, "--proof is of page", help);
  if (trust.commit === undefined && trust.logRoot === undefined) {
    return failed(exitCodes.usage, "--commit HEX or --root HEX is wanted", help);
  }
  const proof = read(file);
  if (!proof.ok) return failed(exitCodes.failed, proof.error, "name a file that can be read");
  const report = recallReport(verifyRecall(proof.value, trust));
  return {
    exit: report.ok ? exitCodes.done : exitCodes.wrong,
    stdout: `${JSON.stringify(report)}\n`,
  };
};

export const runPage = (args: readonly string[]): Outcome => {
  const parsed = parse(args);
  if (!parsed.ok) return failed(exitCodes.usage, parsed.error, help);
  const { file, given } = parsed.value;
  if (given.query !== undefined) return failed(exitCodes.usage, "--query is of retrieval", help);
  const proof = given.proof === undefined ? undefined : read(given.proof);
  if (proof?.ok === false) {
    return failed(exitCodes.failed, proof.error, "name a proof that can be read");
  }
  const page = verifierPage({
    proof: proof?.value,
    commit: given.commit?.toLowerCase(),
    root: given.root?.toLowerCase(),
    indexRoot: given["index-root"]?.toLowerCase(),
  });
  try {
    writeFileSync(file, page, { flag: "wx" });
  } catch (error) {
    const why = error instanceof Error ? error.message : "unknown";
    return failed(
      exitCodes.failed,
      `${file} is not written: ${why}`,
      "name a file that is not there",
    );
  }
  return {
    exit: exitCodes.done,
    stdout: `${JSON.stringify({ schema: "ioi.verify-page/1", file })}\n`,
  };
};
