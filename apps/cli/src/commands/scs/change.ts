/** `ioi scs create`, `add`, `forget`, `embed` and `compact`: what changes a memory file. */
import { exitCodes, toHex } from "@ioi/base";
import {
  changeEmbedder,
  compactSubstrate,
  createSubstrate,
  isEmbedderOf,
  memoryBytesMax,
  type NewSlot,
  openSubstrate,
  peekMemoryFile,
  type Unlock,
} from "@ioi/scs";
import type { Handler } from "../../context.ts";
import { usage } from "../../report.ts";
import {
  embedderOf,
  type FileOptions,
  kernel,
  newSlot,
  numberOf,
  openMemories,
  placeOf,
  reporter,
  scrypt,
  unlockFor,
} from "./open.ts";
import { timeOf } from "./query.ts";

interface CreateOptions extends FileOptions {
  readonly plain?: boolean;
}

export const create: Handler<CreateOptions> = async (context, { args, options }) => {
  const place = placeOf(context, args[0]);
  const embedder = await embedderOf(context, options);
  await createSubstrate(place, { slot: await newSlot(context, options), embedder });
  const { output } = context;
  const identity = embedder?.identity ?? { kind: "none", name: "", revision: "" };
  output.value({
    schema: "ioi.scs-create/1",
    file: args[0],
    sealed: options.plain !== true,
    embedder: identity,
    dimension: embedder?.dimension ?? 0,
  });
  output.line(`made ${args[0]}`);
  output.line(
    options.plain === true
      ? "  NOT sealed: whoever has the file can read it; what you forget is gone all the same"
      : "  sealed under the passphrase: without it nobody opens it, nor do you",
  );
  output.line(
    embedder === undefined
      ? "  found by words alone"
      : `  found by words, and by vectors of ${identity.kind} ${identity.name}`,
  );
  return exitCodes.done;
};

interface AddOptions extends FileOptions {
  readonly source?: string;
  readonly tag?: readonly string[];
  readonly said?: string;
}

export const add: Handler<AddOptions> = async (context, { args, options }) => {
  const [file, ...texts] = args;
  const { io, output, signal } = context;
  const typed = texts.filter((text) => text !== "-");
  const isPiped = typed.length < texts.length || texts.length === 0;
  if (texts.length === 0 && io.interactive) {
    throw usage("what is to be remembered?", `./ioi scs add ${file} "the key is under the mat"`);
  }
  const piped = isPiped ? [(await io.readInput(memoryBytesMax, signal)).trimEnd()] : [];
  const saidMs = timeOf("--said", options.said);
  const common = {
    ...(saidMs === undefined ? {} : { saidMs }),
    ...(options.source === undefined ? {} : { source: options.source }),
    tags: options.tag ?? [],
  };
  const memories = [
    ...typed.map((text) => ({ ...common, text, origin: { kind: "user", from: "ioi scs add" } })),
    ...piped.map((text) => ({ ...common, text, origin: { kind: "import", from: "-" } })),
  ];
  const { substrate } = await openMemories(context, file, "write", options);
  await using _open = substrate;
  const stored = await substrate.remember(memories, { signal });
  const { lastCommit, logRoot } = substrate.info;
  output.value({
    schema: "ioi.scs-add/1",
    memories: stored.map(({ id, nearDuplicateOf }) => ({
      id,
      nearDuplicateOf: nearDuplicateOf ?? null,
    })),
    commit: lastCommit === undefined ? null : toHex(lastCommit),
    logRoot: toHex(logRoot),
  });
  for (const { id, nearDuplicateOf } of stored) {
    const near =
      nearDuplicateOf === undefined ? "" : `; memory ${nearDuplicateOf} says nearly that`;
    output.line(`memory ${id}${near}`);
  }
  return exitCodes.done;
};

export const forget: Handler<FileOptions> = async (context, { args, options }) => {
  const [file, ...ids] = args;
  const numbers = ids.map(numberOf);
  const { substrate } = await openMemories(context, file, "write", options);
  await using _open = substrate;
  await substrate.forget(numbers);
  // So that the next one to ask finds by vectors, and a proof has a root to stand on.
  if (substrate.info.stale) await substrate.rebuild();
  const { output } = context;
  output.value({ schema: "ioi.scs-forget/1", forgotten: numbers });
  output.line(`forgotten: ${numbers.join(", ")}; the key of each is overwritten`);
  output.line("  copies of the file, and old blocks that a disk keeps, are beyond this");
  return exitCodes.done;
};

/** A new file that opens as the old one does. */
const slotLike = (unlock: Unlock): NewSlot =>
  unlock.type === "passphrase" ? { ...unlock, scrypt } : { type: "open" };

/** Memories that get their vectors before what is done is told. */
const embeddedAtOnce = 256;

/** Vectors for what waits for them; with another embedder than the file's, for all of it anew. */
export const embed: Handler<FileOptions> = async (context, { args, options }) => {
  const place = placeOf(context, args[0]);
  const parameters = await peekMemoryFile(place);
  const unlock = await unlockFor(context, place, parameters, options);
  const { kind, name } = parameters.embedder;
  if (options.embedder === undefined && kind !== "hashed") {
    throw usage(`${args[0]} is of ${kind} ${name}: name it, or another one, with --embedder`);
  }
  const embedder = await embedderOf(context, options);
  const isSame =
    embedder === undefined ? parameters.index.dimension === 0 : isEmbedderOf(parameters, embedder);
  if (!isSame) await changeEmbedder(place, slotLike(unlock), unlock, embedder);
  const { output, signal } = context;
  const opened = { unlock, embedder, kernel, signal };
  await using substrate = await openSubstrate(place, "write", opened);
  const report = reporter(context);
  let embedded = 0;
  let left = await substrate.unembedded();
  while (left > 0) {
    const done = await substrate.embed(embeddedAtOnce, { signal });
    embedded += done.embedded;
    ({ left } = done);
    report(() => `${embedded} embedded, ${left} to go`);
    if (done.embedded === 0) break;
  }
  const identity = substrate.info.parameters.embedder;
  output.value({ schema: "ioi.scs-embed/1", embedder: identity, anew: !isSame, embedded, left });
  output.line(
    embedder === undefined
      ? "found by words alone"
      : `${embedded} memories have vectors of ${identity.kind} ${identity.name} now`,
  );
  if (left > 0) output.line(`  ${left} cannot be read, and have none: ./ioi scs doctor`);
  return exitCodes.done;
};

export const compact: Handler<FileOptions> = async (context, { args, options }) => {
  const place = placeOf(context, args[0]);
  const parameters = await peekMemoryFile(place);
  const unlock = await unlockFor(context, place, parameters, options);
  if (unlock.type === "none" && options.passphraseFile !== undefined) {
    throw usage("the file has no passphrase", "./ioi scs create makes one that has");
  }
  const slot = slotLike(unlock);
  const done = await compactSubstrate(place, slot, { unlock, kernel, signal: context.signal });
  const { output } = context;
  output.value({ schema: "ioi.scs-compact/1", ...done });
  output.line(`${done.bytesBefore} bytes became ${done.bytesAfter}`);
  output.line(`  ${done.memories} memories, ${done.dropped} of them forgotten`);
  return exitCodes.done;
};
