/** `ioi scs create`, `add`, `forget` and `compact`: what changes a memory file. */
import { exitCodes, toHex } from "@ioi/base";
import { compactSubstrate, createSubstrate, memoryBytesMax, peekMemoryFile } from "@ioi/scs";
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

export const compact: Handler<FileOptions> = async (context, { args, options }) => {
  const place = placeOf(context, args[0]);
  const parameters = await peekMemoryFile(place);
  const unlock = await unlockFor(context, place, parameters, options);
  if (unlock.type === "none" && options.passphraseFile !== undefined) {
    throw usage("the file has no passphrase", "./ioi scs create makes one that has");
  }
  const slot = unlock.type === "passphrase" ? { ...unlock, scrypt } : ({ type: "open" } as const);
  const done = await compactSubstrate(place, slot, { unlock, kernel, signal: context.signal });
  const { output } = context;
  output.value({ schema: "ioi.scs-compact/1", ...done });
  output.line(`${done.bytesBefore} bytes became ${done.bytesAfter}`);
  output.line(`  ${done.memories} memories, ${done.dropped} of them forgotten`);
  return exitCodes.done;
};
