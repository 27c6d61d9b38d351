/** `ioi scs info`, `doctor`, `audit` and `export`: what a memory file is, and whether it holds. */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { exitCodes, OperationError, toHex } from "@ioi/base";
import {
  damagedSegments,
  type KeptSegment,
  memoryAsMarkdown,
  type MemoryState,
  openMemoryFile,
  peekMemoryFile,
  type Substrate,
} from "@ioi/scs";
import type { CommandContext, Handler } from "../../context.ts";
import { toJson } from "../../io.ts";
import { isoTime } from "../../times.ts";
import { type FileOptions, openMemories, placeOf, reporter, unlockFor } from "./open.ts";

const hexOrNull = (bytes: Uint8Array | undefined): string | null =>
  bytes === undefined ? null : toHex(bytes);

const countStates = (
  states: readonly MemoryState[],
): Readonly<Record<MemoryState["state"], number>> => {
  const counts = { live: 0, tombed: 0, superseded: 0, forgotten: 0, damaged: 0 };
  for (const { state } of states) counts[state]++;
  return counts;
};

const infoOf = async (substrate: Substrate) => {
  const withoutVectors = await substrate.unembedded();
  const { info } = substrate;
  const { embedder, index, createdMs, slots } = info.parameters;
  return {
    store: toHex(info.storeId),
    createdMs,
    bytes: info.bytes,
    commits: info.commits,
    commit: hexOrNull(info.lastCommit),
    logSize: info.logSize,
    logRoot: toHex(info.logRoot),
    indexRoot: hexOrNull(info.indexRoot),
    lexicalRoot: hexOrNull(info.lexicalRoot),
    memories: { total: info.memories, ...countStates(substrate.file.states()) },
    vectors: info.vectors,
    withoutVectors,
    stale: info.stale,
    embedder,
    dimension: index.dimension,
    opensWith: slots.map(({ type }) => type),
    tailBytes: info.tailBytes,
    damage: info.damage ?? null,
  };
};

export const info: Handler<FileOptions> = async (context, { args, options }) => {
  const { substrate } = await openMemories(context, args[0], "read", options);
  await using _open = substrate;
  const { output } = context;
  const value = await infoOf(substrate);
  output.value({ schema: "ioi.scs-info/1", ...value });
  const { memories, embedder } = value;
  output.line(`${args[0]}: ${memories.live} memories, ${value.bytes} bytes`);
  output.line(
    `  forgotten ${memories.forgotten}, left out ${memories.tombed}, replaced ${memories.superseded}`,
  );
  output.line(`  opens with ${value.opensWith.join(", ")}; made ${isoTime(value.createdMs)}`);
  output.line(
    value.dimension === 0
      ? "  found by words alone"
      : `  ${value.vectors} vectors of ${embedder.kind} ${embedder.name}${value.stale ? "; index to be made anew" : ""}`,
  );
  if (value.withoutVectors > 0) {
    output.line(`  ${value.withoutVectors} memories wait for their vectors: ./ioi scs embed FILE`);
  }
  output.line(
    `  commit ${value.commits === 0 ? "none" : value.commits - 1}, log of ${value.logSize}`,
  );
  output.line(`  log ${value.logRoot}`);
  if (value.indexRoot !== null) output.line(`  index ${value.indexRoot}`);
  if (value.damage !== null) output.line(`  DAMAGED: ${value.damage}`);
  return exitCodes.done;
};

/** Memories whose vectors are made again between two lines of progress. */
const mendedAtOnce = 64;

/** Makes again what finds memories, where it does not open; returns how many vectors were made. */
const mend = async (
  context: CommandContext,
  file: string | undefined,
  options: FileOptions,
): Promise<number> => {
  const { substrate } = await openMemories(context, file, "write", options);
  await using _open = substrate;
  const report = reporter(context);
  let made = 0;
  for (let left = 1; left > 0;) {
    const done = await substrate.embed(mendedAtOnce, { signal: context.signal });
    made += done.embedded;
    ({ left } = done);
    if (done.embedded === 0) break;
    report(() => `${made} of ${made + left} vectors made again`);
  }
  if ((await damagedSegments(substrate.file)).length > 0) await substrate.save();
  return made;
};

/** What of a file finds memories and does not open, for a person. */
const segmentLine = ({ kind, first, count }: KeptSegment): string => {
  const last = first + count - 1;
  const next =
    kind === "vector"
      ? "by words alone until it is made again: --mend"
      : "made again when it is needed; --mend writes it";
  return `  a segment (${kind}) of memories ${first} to ${last} does not open: ${next}`;
};

export const doctor: Handler<FileOptions & { readonly mend?: boolean }> = async (
  context,
  { args, options },
) => {
  const mended = options.mend === true ? await mend(context, args[0], options) : undefined;
  const place = placeOf(context, args[0]);
  const unlock = await unlockFor(context, place, await peekMemoryFile(place), options);
  await using file = await openMemoryFile(place, "read", unlock, "all");
  const report = reporter(context);
  const lost: number[] = [];
  const states = file.states();
  for (const { id, state } of states) {
    context.signal.throwIfAborted();
    report(() => `${id} of ${states.length} memories read`);
    if (state === "forgotten") continue;
    try {
      await file.read(id);
    } catch (error) {
      // A memory that is lost is what is being looked for; anything else is not.
      if (!(error instanceof OperationError) || !error.code.startsWith("E_SCS_")) throw error;
      lost.push(id);
    }
  }
  const segments = await damagedSegments(file);
  const { damage, tailBytes, memories, commits } = file.info;
  const ok = damage === undefined && lost.length === 0 && segments.length === 0;
  const { output } = context;
  output.value({
    schema: "ioi.scs-doctor/1",
    ok,
    memories,
    commits,
    ...countStates(states),
    lost: lost.slice(0, 1000),
    lostCount: lost.length,
    segments: segments.slice(0, 1000).map(({ kind, first, count }) => ({ kind, first, count })),
    mended: mended ?? null,
    tailBytes,
    damage: damage ?? null,
  });
  output.line(ok ? `good: every record of ${commits} commits, every memory read` : "DAMAGED");
  if (damage !== undefined) output.line(`  ${damage}`);
  if (mended !== undefined) output.line(`  ${mended} vectors were made again`);
  for (const segment of segments.slice(0, 20)) output.line(segmentLine(segment));
  if (lost.length > 0) output.line(`  cannot be read any more: ${lost.slice(0, 20).join(", ")}`);
  if (tailBytes > 0) {
    output.line(`  ${tailBytes} bytes of an append that was interrupted; nobody was promised them`);
  }
  return ok ? exitCodes.done : exitCodes.wrong;
};

export const audit: Handler<FileOptions> = async (context, { args, options }) => {
  const { substrate } = await openMemories(context, args[0], "read", options, "all");
  await using _open = substrate;
  const report = reporter(context);
  const done = await substrate.audit((at, total) => report(() => `${at} of ${total}`));
  const { output } = context;
  output.value({
    schema: "ioi.scs-audit/1",
    ok: done.ok,
    committed: toHex(done.committed),
    rebuilt: toHex(done.rebuilt),
    nodes: done.nodes,
    words: done.words,
  });
  output.line(
    done.ok
      ? `good: the index is the one that the log makes, of ${done.nodes} vectors`
      : "WRONG: the index is not the one that the log makes",
  );
  output.line(`  committed ${toHex(done.committed)}`);
  output.line(`  made again ${toHex(done.rebuilt)}`);
  return done.ok ? exitCodes.done : exitCodes.wrong;
};

export const exportMemories: Handler<FileOptions & { readonly markdown?: boolean }> = async (
  context,
  { args, options },
) => {
  const { substrate } = await openMemories(context, args[0], "read", options);
  await using _open = substrate;
  const out = openSync(resolve(context.io.cwd, args[1] ?? ""), "wx", 0o600);
  const report = reporter(context);
  let count = 0;
  let damaged = 0;
  try {
    for (const { id, state } of substrate.file.states()) {
      context.signal.throwIfAborted();
      if (state === "forgotten") continue;
      if (state === "damaged") {
        damaged++;
        continue;
      }
      // A document is for reading: what is left out of answers is left out of it.
      if (options.markdown === true && state !== "live") continue;
      const memory = await substrate.file.read(id);
      const line = `${toJson({ ...memory, state })}\n`;
      writeSync(out, options.markdown === true ? memoryAsMarkdown(memory) : line);
      count++;
      report(() => `${count} memories written`);
    }
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
  const { output } = context;
  output.value({ schema: "ioi.scs-export/1", file: args[1], memories: count, damaged });
  output.line(`${count} memories in ${args[1]}; NOT sealed`);
  if (damaged > 0) output.line(`  ${damaged} are damaged and not in it`);
  return damaged === 0 ? exitCodes.done : exitCodes.wrong;
};
