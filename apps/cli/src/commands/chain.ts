/**
 * `ioi chain`: status, blocks and proofs of the local chain, from the public port; verification and
 * reset offline.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { exitCodes, OperationError, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  chainFolder,
  type ChainProof,
  chainResetMark,
  type ChainVerdict,
  decodeTx,
  keyBytes,
  keyText,
  parseChainProof,
  verifyChainProof,
} from "@ioi/validator";
import { anchoredCheckpoint, type BlockHeader, blockHeader, chainParams, schema } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { chainIdIn, openNode } from "../kernel/chain.ts";
import { type FolderPaths, readBounded, requireFolder, runningKernel } from "../kernel/folder.ts";
import { forgetFailure } from "../kernel/last-failure.ts";
import { callDeadlineMs, receiptFileBytesMax } from "../limits.ts";
import { failWith, usage } from "../report.ts";
import { isoTime } from "../times.ts";
import { keyOf } from "./receipts.ts";

const options = { deadlineMs: callDeadlineMs };

export const status: Handler<object> = async (context) => {
  await using open = await openNode(context);
  const reply = await open.node.status({}, options);
  const has = reply.height !== undefined;
  const { output } = context;
  output.value({
    schema: "ioi.chain/1",
    chain: toHex(reply.chainId),
    mode: reply.mode,
    ready: reply.ready,
    height: has ? Number(reply.height) : null,
    view: has ? String(reply.view) : null,
    grade: has ? reply.grade : null,
    head: has ? toHex(reply.head) : null,
    state: has ? { height: Number(reply.stateHeight), root: toHex(reply.stateRoot) } : null,
    time: has ? isoTime(reply.timeMs) : null,
    receipts: has ? { size: Number(reply.receiptsSize), root: toHex(reply.receiptsRoot) } : null,
    firstHeight: Number(reply.firstHeight),
    epoch: Number(reply.epoch),
    start: toHex(reply.start),
    idleBlockMs: reply.idleBlockMs,
    identity: toHex(reply.identity),
    anchor: reply.anchor,
  });
  output.line(`chain ${toHex(reply.chainId)}, ${reply.mode}`);
  if (!has) output.line("no block yet");
  else {
    output.line(`block ${reply.height} of ${isoTime(reply.timeMs)}, view ${reply.view}`);
    output.line(`  header ${toHex(reply.head)}, grade ${reply.grade}`);
    output.line(`  state ${toHex(reply.stateRoot)} after block ${reply.stateHeight}`);
    output.line(`  receipts ${reply.receiptsSize}, root ${toHex(reply.receiptsRoot)}`);
  }
  output.line(`blocks from ${reply.firstHeight} on are kept; anchor: ${reply.anchor}`);
  output.line(`start ${toHex(reply.start)}, for ./ioi verify block`);
  return exitCodes.done;
};

const headerOf = (encoded: Uint8Array): BlockHeader => {
  const decoded = schema.decode(blockHeader, encoded);
  if (decoded.ok) return decoded.value;
  throw new OperationError("E_RPC_MALFORMED", `the node's header: ${decoded.error.message}`);
};

const txView = (encoded: Uint8Array): object => {
  const tx = decodeTx(encoded);
  if (!tx.ok) return { type: "unknown", bytes: toHex(encoded) };
  const { type, note, from, consistency } = tx.value;
  return { type, note, from, consistency: consistency.map(toHex) };
};

const sizeOfNote = (note: string): string => note.split("\n")[1] ?? "";

const heightOf = (text: string): bigint => {
  if (!/^\d{1,18}$/.test(text)) throw usage(`a height is a whole number, not "${text}"`);
  return BigInt(text);
};

export const block: Handler<object> = async (context, { args }) => {
  const height = args[0] === undefined ? undefined : heightOf(args[0]);
  await using open = await openNode(context);
  const found = await open.node.getBlock(height === undefined ? {} : { height }, options);
  const header = headerOf(found.header);
  const { output } = context;
  output.value({
    schema: "ioi.block/1",
    id: toHex(found.id),
    height: Number(header.height),
    view: String(header.view),
    parent: toHex(header.parent),
    time: isoTime(header.timeMs),
    payloadRoot: toHex(header.payloadRoot),
    state: { height: Number(header.stateHeight), root: toHex(header.stateRoot) },
    txs: found.txs.map(txView),
    header: toHex(found.header),
    justify: toHex(found.justify),
  });
  output.line(`block ${header.height} of ${isoTime(header.timeMs)}, view ${header.view}`);
  output.line(`  header ${toHex(found.id)}`);
  output.line(`  parent ${toHex(header.parent)}`);
  output.line(`  state ${toHex(header.stateRoot)} after block ${header.stateHeight}`);
  if (found.txs.length === 0) output.line("  no transactions");
  for (const encoded of found.txs) {
    const tx = decodeTx(encoded);
    if (!tx.ok) output.line("  a transaction that this version does not know");
    else {
      const { from, note } = tx.value;
      output.line(`  anchors ${sizeOfNote(note)} receipts, which extend ${from}`);
    }
  }
  return exitCodes.done;
};

interface ProofOptions {
  readonly height?: number;
}

export const proof: Handler<ProofOptions> = async (context, { args, options: given }) => {
  const text = args[0] ?? "";
  const key = keyBytes(text);
  if (key === undefined) throw usage("a key is text, or hex after 0x");
  await using open = await openNode(context);
  const { identity } = await open.node.status({}, options);
  const height = given.height === undefined ? {} : { height: BigInt(given.height) };
  const reply = await open.node.query({ key, ...height }, options);
  const made: ChainProof = {
    schema: "ioi.chain-proof/2",
    key: keyText(key),
    value: reply.found ? toHex(reply.value) : null,
    proof: toHex(reply.proof),
    block: toHex(reply.blockProof),
    signature: toHex(reply.startSignature),
    identity: toHex(identity),
  };
  const { output } = context;
  output.value(made);
  output.line(`${visible(made.key)} after block ${reply.height}:`);
  output.line(`  ${reply.found ? visible(describe(key, reply.value)) : "absent"}`);
  output.line(`  proofs of ${reply.proof.length} and ${reply.blockProof.length} bytes`);
  output.line("  with --json: a file that ./ioi chain verify checks");
  return exitCodes.done;
};

interface ProveBlockOptions {
  readonly out: string;
}

export const proveBlock: Handler<ProveBlockOptions> = async (context, { args, options: given }) => {
  const height = args[0] === undefined ? undefined : heightOf(args[0]);
  await using open = await openNode(context);
  const reply = await open.node.proveBlock(height === undefined ? {} : { height }, options);
  const file = resolve(context.io.cwd, given.out);
  try {
    writeFileSync(file, reply.proof, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    throw failWith({ code: "E_CLI_OUT", message: `cannot write ${file}` }, cause);
  }
  const start = toHex(reply.start);
  const { output } = context;
  output.value({
    schema: "ioi.block-proof/1",
    height: Number(reply.height),
    file,
    bytes: reply.proof.length,
    start,
    startSignature: toHex(reply.startSignature),
  });
  output.line(`block ${reply.height}: ${visible(file)}, ${reply.proof.length} bytes`);
  output.line(`  check it with: ./ioi verify block ${visible(given.out)} --start ${start}`);
  output.line("  whoever checks it has the start's hash from whom they trust, not with the file");
  return exitCodes.done;
};

/** What a value of the state says, for a person. */
const describe = (key: Uint8Array, value: Uint8Array): string => {
  const name = keyText(key);
  if (name.startsWith("receipts/")) {
    const decoded = schema.decode(anchoredCheckpoint, value);
    if (decoded.ok) {
      const { size, root, height, timeMs } = decoded.value;
      return `${size} receipts, root ${toHex(root)}, block ${height} of ${isoTime(timeMs)}`;
    }
  }
  if (name === "chain/params") {
    const decoded = schema.decode(chainParams, value);
    if (decoded.ok) {
      const { chain, origin } = decoded.value;
      return `chain ${toHex(chain)}, receipts of ${origin}`;
    }
  }
  return toHex(value);
};

interface VerifyOptions {
  readonly key?: string;
}

const readProof = (path: string): ChainProof => {
  const invalid = (message: string, cause?: unknown): OperationError =>
    failWith({ code: "E_CHAIN_PROOF", message: `${path}: ${message}` }, cause);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(readBounded(path, receiptFileBytesMax)).toString("utf8"));
  } catch (cause) {
    if (cause instanceof OperationError) throw cause;
    throw invalid("not JSON", cause);
  }
  const parsed = parseChainProof(value);
  if (parsed.ok) return parsed.value;
  throw invalid(parsed.error.message);
};

/** The key and the chain that a proof is believed for: given, or the data folder's own. */
const trusted = (
  context: CommandContext,
  given: string | undefined,
): { readonly key: Uint8Array; readonly chain: Uint8Array | undefined } => {
  if (given !== undefined) return { key: keyOf(context, given, ""), chain: undefined };
  const paths = requireFolder(context.dataFolder);
  const genesis = join(paths.root, "identity/genesis.json");
  const chain = existsSync(genesis) ? chainIdIn(readFileSync(genesis, "utf8")) : undefined;
  return { key: keyOf(context, undefined, paths.identityKey), chain };
};

export const verify: Handler<VerifyOptions> = async (context, { args, options: given }) => {
  const { key, chain } = trusted(context, given.key);
  const made = readProof(resolve(context.io.cwd, args[0] ?? ""));
  const verdict: ChainVerdict = verifyChainProof(nodeCrypto, made, key, chain);
  const { output } = context;
  output.value(verdict);
  if (verdict.ok) {
    const bytes = keyBytes(made.key) ?? new Uint8Array(0);
    const value = made.value === null ? undefined : Uint8Array.from(Buffer.from(made.value, "hex"));
    output.line(
      `${output.paint("green", "good")}: the state after block ${verdict.height} says of ${visible(made.key)}:`,
    );
    output.line(`  ${value === undefined ? "absent" : visible(describe(bytes, value))}`);
    return exitCodes.done;
  }
  output.line(`${output.paint("red", "WRONG")}: ${visible(verdict.reason ?? "")}`);
  return exitCodes.wrong;
};

const syncFolder = (folder: string): void => {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};

/** The lost blocks keep a name; what they were is for the person to look at. */
const moveAside = (paths: FolderPaths): string | null => {
  const folder = join(paths.root, "orchestrator");
  const chain = join(folder, chainFolder);
  if (!existsSync(chain)) return null;
  for (let n = 1; ; n++) {
    const aside = `${chain}.lost-${n}`;
    if (existsSync(aside)) continue;
    renameSync(chain, aside);
    syncFolder(folder);
    return aside;
  }
};

export const reset: Handler<object> = async (context) => {
  const paths = requireFolder(context.dataFolder);
  const running = runningKernel(paths);
  if (running !== undefined) {
    throw failWith({
      code: "E_DATA_LOCKED",
      message: `a kernel runs on ${paths.root} (process ${running.pid})`,
      next: `end it first, with Ctrl+C where it runs or with: kill ${running.pid}`,
    });
  }
  const folder = join(paths.root, "orchestrator");
  // The mark first: with the blocks moved and no mark, the next start would refuse.
  closeSync(openSync(join(folder, chainResetMark), "w", 0o600));
  syncFolder(folder);
  const aside = moveAside(paths);
  forgetFailure(paths);
  const { output } = context;
  output.value({ schema: "ioi.chain-reset/1", movedTo: aside });
  if (aside !== null) output.line(`the blocks were moved to ${aside}`);
  output.line("the next start begins the blocks anew, after the one that was voted for last");
  return exitCodes.done;
};
