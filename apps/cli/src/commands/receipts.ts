/**
 * `ioi receipts`: list, verify, prove, export. Everything but sealed contents is read offline from
 * the files; a running kernel is asked only for what it alone can open, and for a fresh checkpoint.
 */
import { existsSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exitCodes, fromHex, OperationError, toHex } from "@ioi/base";
import { leafHash } from "@ioi/crypto";
import {
  type Bundle,
  type LogFiles,
  makeBundle,
  makeProof,
  parseBundle,
  type ReadLog,
  readLog,
  verifyBundle,
  verifyLog,
  type VerifyReport,
} from "@ioi/guardian/verify";
import { nodeCrypto } from "@ioi/host/crypto";
import { type Leaf, leaf as leafSchema, schema } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { type Anchor, anchorOver, anchorsOf, openNode } from "../kernel/chain.ts";
import { openKernel } from "../kernel/connection.ts";
import { type FolderPaths, readBounded, requireFolder, runningKernel } from "../kernel/folder.ts";
import { callDeadlineMs, receiptFileBytesMax, receiptsPageMax } from "../limits.ts";
import { failWith, usage } from "../report.ts";
import { isoTime } from "../times.ts";

const readFiles = (paths: FolderPaths): LogFiles => {
  if (!existsSync(paths.receipts)) {
    throw failWith({ code: "E_CLI_NO_RECEIPTS", message: `${paths.receipts} is not there` });
  }
  // The checkpoints first: a kernel that runs may add to both in between.
  const checkpoints = existsSync(paths.checkpoints)
    ? readBounded(paths.checkpoints, receiptFileBytesMax)
    : undefined;
  return { checkpoints, receipts: readBounded(paths.receipts, receiptFileBytesMax) };
};

const identityKeyBytes = 1952;

const parseKey = (text: string, where: string): Uint8Array => {
  const key = fromHex(text.trim());
  if (key?.length === identityKeyBytes) return key;
  throw failWith({
    code: "E_KEY_INVALID",
    message: `${where} holds no ML-DSA-65 public key in hex`,
  });
};

/** `--key`, in hex or in a file, else the data folder's own. */
export const keyOf = (
  context: CommandContext,
  given: string | undefined,
  file: string,
): Uint8Array => {
  if (given === undefined) {
    return parseKey(Buffer.from(readBounded(file)).toString("utf8"), file);
  }
  if (/^[0-9a-f]{3904}$/.test(given)) return parseKey(given, "--key");
  const path = resolve(context.io.cwd, given);
  return parseKey(Buffer.from(readBounded(path)).toString("utf8"), path);
};

const isRunning = (paths: FolderPaths): boolean => runningKernel(paths) !== undefined;

const rereadMs = 100;
const rereadsMax = 5;

/** A kernel that runs may be in the middle of an append; what is really wrong stays wrong. */
export const verifyFolder = async (
  context: CommandContext,
  paths: FolderPaths,
  key: Uint8Array,
): Promise<VerifyReport> => {
  for (let reads = 1; ; reads++) {
    const report = verifyLog(nodeCrypto, readFiles(paths), key);
    if (report.ok || reads >= rereadsMax || !isRunning(paths)) return report;
    await sleep(rereadMs, undefined, { signal: context.signal });
  }
};

const readBundle = (path: string): Bundle => {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(readBounded(path, receiptFileBytesMax)).toString("utf8"));
  } catch (cause) {
    if (cause instanceof OperationError) throw cause;
    throw failWith({ code: "E_BUNDLE_INVALID", message: `${path} is not JSON` }, cause);
  }
  const bundle = parseBundle(value);
  if (bundle.ok) return bundle.value;
  throw failWith({ ...bundle.error, message: `${path}: ${bundle.error.message}` });
};

interface VerifyOptions {
  readonly bundle?: string;
  readonly key?: string;
}

export const verify: Handler<VerifyOptions> = async (context, { options }) => {
  let report: VerifyReport;
  if (options.bundle === undefined) {
    const paths = requireFolder(context.dataFolder);
    report = await verifyFolder(context, paths, keyOf(context, options.key, paths.identityKey));
  } else {
    if (options.key === undefined) {
      throw usage("--bundle needs --key: an export is not believed for the key it came with");
    }
    const bundle = readBundle(resolve(context.io.cwd, options.bundle));
    report = verifyBundle(nodeCrypto, bundle, keyOf(context, options.key, ""));
  }
  const { output } = context;
  output.value(report);
  if (report.ok) {
    output.line(`${output.paint("green", "good")}: ${report.size} receipts, root ${report.root}`);
    output.line(`  ${report.checked} of them checked against a signed checkpoint`);
    output.line(`  anchor: ${report.anchor}`);
    return exitCodes.done;
  }
  output.line(`${output.paint("red", "WRONG")} from receipt ${report.firstBad?.index} on`);
  output.line(`  ${report.firstBad?.reason}`);
  output.line(`  ${report.checked} receipts before are under a good checkpoint`);
  return exitCodes.wrong;
};

export const describe = (leaf: Leaf): string => {
  switch (leaf.type) {
    case "session-open":
      return `session ${leaf.session} opened`;
    case "intent":
      return `session ${leaf.session} ${leaf.verdict === "allow" ? `ticket ${leaf.counter}` : "no ticket"} ${
        leaf.target
      }: ${leaf.verdict} by ${leaf.rules.join(", ") || "default"}`;
    case "outcome":
      return `session ${leaf.session} ticket ${leaf.counter}: ${leaf.status}, by ${leaf.reportedBy}`;
    case "decision":
      return `session ${leaf.session} approval ${leaf.approval}: ${leaf.decision} ${leaf.scope}`;
    case "unsigned-answer":
      return `session ${leaf.session} approval ${leaf.approval}: ${leaf.decision} once, unsigned: so says its client ${visible(leaf.client)}`;
    case "scope":
      return `session ${leaf.session} scope accepted: at most ${leaf.actionsMax} actions`;
    case "revoke":
      return leaf.reason.startsWith("closed: ")
        ? `session ${leaf.session} ended: ${leaf.reason.slice("closed: ".length)}`
        : `session ${leaf.session} revoked: ${leaf.reason}`;
    case "device":
      return `device ${toHex(leaf.device).slice(0, 16)} ${leaf.change === "pair" ? "paired" : "revoked"}: ${leaf.kind}, ${leaf.name}`;
    case "policy":
      return `policy ${toHex(leaf.policyHash).slice(0, 16)} in force`;
    case "policy-change":
      return `policy ${toHex(leaf.policyHash).slice(0, 16)} saved: text ${toHex(leaf.before).slice(0, 12)} -> ${toHex(leaf.after).slice(0, 12)}`;
  }
};

interface Row {
  readonly index: number;
  readonly leafHash: string;
  readonly leaf: Leaf;
  /** What the sealed part says; only a running Guardian can open it. */
  readonly display: string | null;
  /** Height of the first block whose checkpoint covers it; only a running chain says. */
  readonly block: number | null;
}

/** Bytes as hex, 64-bit numbers as numbers or text. */
export const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
};

/** None where the chain has nothing to say yet. */
const knownAnchors = async (context: CommandContext): Promise<readonly Anchor[]> => {
  try {
    await using open = await openNode(context);
    return await anchorsOf(open.node);
  } catch (error) {
    if (error instanceof OperationError) return [];
    throw error;
  }
};

/** From the newest back, until there are enough. */
const askRows = async (
  context: CommandContext,
  session: string,
  limit: number,
): Promise<readonly Row[]> => {
  await using kernel = await openKernel(context, { start: false });
  const person = await kernel.person();
  const anchors = await knownAnchors(context);
  const options = { deadlineMs: callDeadlineMs };
  const { size } = await person.listReceipts({ from: 0n, limit: 0, session: "" }, options);
  const rows: Row[] = [];
  for (let to = Number(size); to > 0 && rows.length < limit;) {
    const from = Math.max(0, to - receiptsPageMax);
    const page = await person.listReceipts(
      { from: BigInt(from), limit: to - from, session: "" },
      options,
    );
    for (const each of page.receipts.toReversed()) {
      const decoded = schema.decode(leafSchema, each.leaf);
      if (!decoded.ok || rows.length >= limit) continue;
      const leaf = decoded.value;
      if (session !== "" && !("session" in leaf && leaf.session.startsWith(session))) continue;
      rows.push({
        index: Number(each.index),
        leafHash: toHex(each.leafHash),
        leaf,
        display: each.display === "" ? null : each.display,
        block: anchorOver(anchors, Number(each.index))?.height ?? null,
      });
    }
    to = from;
  }
  return rows.toReversed();
};

const readRows = (paths: FolderPaths, session: string, limit: number): readonly Row[] => {
  // The key matters for checkpoints only, which a listing does not judge.
  const { leaves } = readLog(nodeCrypto, readFiles(paths), new Uint8Array(identityKeyBytes));
  return leaves
    .map(({ bytes, leaf }, index) => ({
      index,
      leafHash: toHex(leafHash(nodeCrypto, bytes)),
      leaf,
      display: null,
      block: null,
    }))
    .filter(({ leaf }) => session === "" || ("session" in leaf && leaf.session.startsWith(session)))
    .slice(-limit);
};

interface ListOptions {
  readonly session?: string;
  readonly limit: number;
}

export const list: Handler<ListOptions> = async (context, { options }) => {
  const paths = requireFolder(context.dataFolder);
  const session = options.session ?? "";
  if (options.limit === 0) throw usage("--limit takes at least 1");
  const rows = isRunning(paths)
    ? await askRows(context, session, options.limit)
    : readRows(paths, session, options.limit);
  const { output } = context;
  output.value({
    schema: "ioi.receipt-list/1",
    receipts: rows.map((row) => ({
      index: row.index,
      leafHash: row.leafHash,
      display: row.display,
      block: row.block,
      leaf: plain(row.leaf),
    })),
  });
  if (rows.length === 0) output.line("no receipts");
  for (const { index, leaf, display, block } of rows) {
    const at = isoTime(leaf.atMs);
    const shown = display === null ? "" : `  ${visible(display)}`;
    const anchored = block === null ? "" : `  block ${block}`;
    output.line(`${String(index).padStart(6)}  ${at}  ${describe(leaf)}${shown}${anchored}`);
  }
  return exitCodes.done;
};

/** A running Guardian signs what it has; then the files say it. */
const freshCheckpoint = async (context: CommandContext, paths: FolderPaths): Promise<void> => {
  if (!isRunning(paths)) return;
  await using kernel = await openKernel(context, { start: false });
  await (await kernel.person()).checkpoint({}, { deadlineMs: callDeadlineMs });
};

const soundLog = async (context: CommandContext): Promise<ReadLog> => {
  const paths = requireFolder(context.dataFolder);
  await freshCheckpoint(context, paths);
  const key = keyOf(context, undefined, paths.identityKey);
  for (let reads = 1; ; reads++) {
    const log = readLog(nodeCrypto, readFiles(paths), key);
    if (log.firstBad === undefined) return log;
    if (reads >= rereadsMax || !isRunning(paths)) {
      throw failWith({
        code: "E_CLI_RECEIPTS_WRONG",
        message: `receipt ${log.firstBad.index}: ${log.firstBad.reason}`,
      });
    }
    await sleep(rereadMs, undefined, { signal: context.signal });
  }
};

const indexOf = (text: string | undefined): number => {
  if (text === undefined || !/^\d{1,15}$/.test(text)) {
    throw usage(`an index is a whole number, not "${text ?? ""}"`);
  }
  return Number(text);
};

export const prove: Handler<object> = async (context, { args }) => {
  const index = indexOf(args[0]);
  const log = await soundLog(context);
  const proof = makeProof(log, index);
  if (!proof.ok) throw failWith(proof.error);
  const { output } = context;
  const [entry] = proof.value.entries;
  const leaf = log.leaves[index]?.leaf;
  output.value(proof.value);
  output.line(`receipt ${index}: ${leaf === undefined ? "" : describe(leaf)}`);
  output.line(`  in the log of ${log.checkpoints.at(-1)?.size} receipts, proof:`);
  for (const hash of entry?.proof ?? []) output.line(`    ${hash}`);
  if (proof.value.consistency !== undefined) {
    output.line("  and the log only grew since the first checkpoint over it, proof:");
    for (const hash of proof.value.consistency.proof) output.line(`    ${hash}`);
  }
  output.line("  with --json: a file that ./ioi receipts verify --bundle checks");
  return exitCodes.done;
};

interface ExportOptions {
  readonly session?: string;
  readonly index?: number;
}

export const exportBundle: Handler<ExportOptions> = async (context, { args, options }) => {
  const file = resolve(context.io.cwd, args[0] ?? "");
  const log = await soundLog(context);
  const covered = log.checkpoints.at(-1)?.size ?? 0;
  let indexes: number[] | undefined;
  if (options.index !== undefined) indexes = [options.index];
  else if (options.session !== undefined) {
    const { session } = options;
    indexes = log.leaves
      .map(({ leaf }, index) => ({ leaf, index }))
      .filter(
        ({ leaf, index }) =>
          index < covered && "session" in leaf && leaf.session.startsWith(session),
      )
      .map(({ index }) => index);
    if (indexes.length === 0) {
      throw failWith({ code: "E_SESSION_UNKNOWN", message: `no receipt of session ${session}` });
    }
  }
  const bundle = makeBundle(log, indexes);
  if (!bundle.ok) throw failWith(bundle.error);
  try {
    writeFileSync(file, `${JSON.stringify(bundle.value)}\n`, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    throw failWith({ code: "E_CLI_OUT", message: `cannot write ${file}` }, cause);
  }
  const left = log.leaves.length - covered;
  const receipts = bundle.value.entries.length;
  const { output } = context;
  output.value({ schema: "ioi.export/1", file, receipts, size: covered, uncovered: left });
  output.line(`${file}: ${receipts} receipts under a checkpoint of ${covered}`);
  if (left > 0) output.line(`  ${left} newer receipts are under no checkpoint yet and left out`);
  output.line(`  verify it anywhere: ./ioi receipts verify --bundle FILE --key guardian.pub`);
  return exitCodes.done;
};
