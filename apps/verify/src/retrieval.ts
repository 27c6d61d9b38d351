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
  nearest: { type: "string" },
  challenge: { type: "string" },
  proof: { type: "string" },
} as const;

type Given = Partial<Record<keyof typeof options, string>>;

const help = "ioi-verify --help";
const misused = (why: string): Outcome => failed(exitCodes.usage, why, help);
const unread = (why: string, next: string): Outcome => failed(exitCodes.failed, why, next);

const read = (path: string): Result<Uint8Array, string> => {
  try {
    if (statSync(path).size > proofFileBytesMax) {
      return err(`${path} is larger than ${proofFileBytesMax} bytes`);
    }
    return ok(new Uint8Array(readFileSync(path)));
  } catch (error) {
    return err(`${path} cannot be read: ${error instanceof Error ? error.message : "unknown"}`);
  }
};

const hashOf = (
  name: string,
  given: string | undefined,
): Result<Uint8Array | undefined, Outcome> => {
  if (given === undefined) return ok(undefined);
  const bytes = fromHex(given.toLowerCase());
  return bytes?.length === 32 ? ok(bytes) : err(misused(`--${name} takes 64 hex digits`));
};

const isComponent = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= -2048 && Number(value) <= 2047;

const queryOf = (path: string | undefined): Result<Int16Array | undefined, Outcome> => {
  if (path === undefined) return ok(undefined);
  const bytes = read(path);
  if (!bytes.ok) return err(unread(bytes.error, "name the file of your query"));
  const json = parseJson(utf8Decode(bytes.value) ?? "");
  const list: unknown = json.ok ? json.value : undefined;
  if (Array.isArray(list) && list.every(isComponent)) return ok(Int16Array.from(list as number[]));
  const why = `${path} is no list of integers from -2048 to 2047`;
  return err(unread(why, "name the file of your query"));
};

const nearestOf = (given: string | undefined): Result<RecallTrust["nearest"], Outcome> =>
  given === undefined || given === "sampled" || given === "exact"
    ? ok(given)
    : err(misused("--nearest takes sampled or exact"));

const trustOf = (given: Given): Result<RecallTrust, Outcome> => {
  const commit = hashOf("commit", given.commit);
  if (!commit.ok) return commit;
  const logRoot = hashOf("root", given.root);
  if (!logRoot.ok) return logRoot;
  const indexRoot = hashOf("index-root", given["index-root"]);
  if (!indexRoot.ok) return indexRoot;
  const nearest = nearestOf(given.nearest);
  if (!nearest.ok) return nearest;
  const challenge = hashOf("challenge", given.challenge);
  if (!challenge.ok) return challenge;
  const query = queryOf(given.query);
  if (!query.ok) return query;
  return ok({
    ...(commit.value === undefined ? {} : { commit: commit.value }),
    ...(logRoot.value === undefined ? {} : { logRoot: logRoot.value }),
    ...(indexRoot.value === undefined ? {} : { indexRoot: indexRoot.value }),
    ...(nearest.value === undefined ? {} : { nearest: nearest.value }),
    ...(challenge.value === undefined ? {} : { challenge: challenge.value }),
    ...(query.value === undefined ? {} : { query: query.value }),
  });
};

interface Parsed {
  readonly file: string;
  readonly given: Given;
}

/** `others`: options that are of the other command. */
const parse = (
  args: readonly string[],
  others: readonly (keyof typeof options)[],
): Result<Parsed, Outcome> => {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [file] = positionals;
    if (file === undefined || positionals.length !== 1) return err(misused("one file is wanted"));
    const other = others.find((name) => values[name] !== undefined);
    return other === undefined
      ? ok({ file, given: values })
      : err(misused(`--${other} is an option of another command`));
  } catch (error) {
    return err(misused(error instanceof Error ? error.message : "an option is not known"));
  }
};

export const runRetrieval = (args: readonly string[]): Outcome => {
  const parsed = parse(args, ["proof"]);
  if (!parsed.ok) return parsed.error;
  const { file, given } = parsed.value;
  if (given.commit === undefined && given.root === undefined) {
    return misused("--commit HEX or --root HEX is wanted");
  }
  const trust = trustOf(given);
  if (!trust.ok) return trust.error;
  const proof = read(file);
  if (!proof.ok) return unread(proof.error, "name a file that can be read");
  const report = recallReport(verifyRecall(proof.value, trust.value));
  return {
    exit: report.ok ? exitCodes.done : exitCodes.wrong,
    stdout: `${JSON.stringify(report)}\n`,
  };
};

export const runPage = (args: readonly string[]): Outcome => {
  const parsed = parse(args, ["query", "nearest", "challenge"]);
  if (!parsed.ok) return parsed.error;
  const { file, given } = parsed.value;
  const trust = trustOf(given);
  if (!trust.ok) return trust.error;
  const proof = given.proof === undefined ? undefined : read(given.proof);
  if (proof?.ok === false) return unread(proof.error, "name a proof that can be read");
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
    return unread(`${file} is not written: ${why}`, "name a new file in a folder that is there");
  }
  return {
    exit: exitCodes.done,
    stdout: `${JSON.stringify({ schema: "ioi.verify-page/1", file })}\n`,
  };
};
