/**
 * How commands open a memory file: its key, its embedder, its index. No kernel takes part.
 *
 * A file that was made with an embedder that is not given here can be asked by words all the same;
 * it takes nothing then, because what is stored without a vector would never be found by one.
 */
import { basename, dirname, resolve } from "node:path";
import { OperationError, utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/files";
import { wasmSource } from "@ioi/host/wasm";
import {
  type Embedder,
  HashedEmbedder,
  type KernelExports,
  type NewSlot,
  openSubstrate,
  type Parameters,
  peekMemoryFile,
  type Place,
  relaxedKernel,
  type Substrate,
  type Unlock,
} from "@ioi/scs";
import type { CommandContext } from "../../context.ts";
import { progressIntervalMs } from "../../limits.ts";
import { usage } from "../../report.ts";
import { passphraseFrom, typedUnseen } from "../../typed.ts";

export interface FileOptions {
  readonly passphraseFile?: string;
  /** `none`, `hashed`, the base of an API with `#` and the name of a model, or `onnx:` and a folder. */
  readonly embedder?: string;
  readonly allowRemote?: boolean;
}

export const kernel = wasmSource<KernelExports>(relaxedKernel);

export const placeOf = (context: CommandContext, file: string | undefined): Place => {
  const path = resolve(context.io.cwd, file ?? "");
  return {
    files: openFiles(dirname(path)),
    path: basename(path),
    provider: nodeCrypto,
    now: () => Date.now(),
  };
};

/** At most one line in a while: nobody reads more. */
export const reporter = (context: CommandContext): ((text: () => string) => void) => {
  let last = context.io.now();
  return (text) => {
    if (context.io.now() - last < progressIntervalMs) return;
    last = context.io.now();
    context.output.progress(text());
  };
};

export const scrypt = { log2Cost: 16, blockSize: 8, parallel: 1 };
const bytesOf = (passphrase: string): Uint8Array => utf8Encode(passphrase.normalize("NFC"));

/** How a new file is to be opened: by a passphrase, unless the person says that it lies open. */
export const newSlot = async (
  context: CommandContext,
  { passphraseFile, plain = false }: { readonly passphraseFile?: string; readonly plain?: boolean },
): Promise<NewSlot> => {
  const given = passphraseFrom(context, passphraseFile);
  if (plain && given !== undefined) throw usage("--plain and --passphrase-file exclude each other");
  if (plain) return { type: "open" };
  if (given !== undefined) return { type: "passphrase", passphrase: bytesOf(given), scrypt };
  if (!context.io.interactive) {
    throw usage("say how the file is opened: --passphrase-file F, or --plain for no passphrase");
  }
  const typed = await typedUnseen(context, "passphrase of the new file");
  if (typed === "") throw usage("the passphrase is empty; --plain makes a file without one");
  if ((await typedUnseen(context, "again")) !== typed) throw usage("they are not the same");
  return { type: "passphrase", passphrase: bytesOf(typed), scrypt };
};

export const unlockFor = async (
  context: CommandContext,
  place: Place,
  { slots }: Parameters,
  { passphraseFile }: FileOptions,
): Promise<Unlock> => {
  if (slots.some(({ type }) => type === "open")) return { type: "none" };
  if (!slots.some(({ type }) => type === "passphrase")) {
    throw new OperationError("E_SCS_KEY", `${place.path}: its key is kept elsewhere`, {
      next: "Ask the kernel that it belongs to: ./ioi run '/recall QUERY'.",
    });
  }
  const given = passphraseFrom(context, passphraseFile);
  if (given !== undefined) return { type: "passphrase", passphrase: bytesOf(given) };
  if (!context.io.interactive) {
    throw usage(`${place.path} opens with a passphrase: --passphrase-file F`);
  }
  const typed = await typedUnseen(context, `passphrase of ${place.path}`);
  return { type: "passphrase", passphrase: bytesOf(typed) };
};

const serverOf = (text: string): { readonly url: string; readonly model: string } => {
  const at = text.indexOf("#");
  if (at <= 0 || at === text.length - 1) {
    throw usage(
      `--embedder takes none, hashed, URL#MODEL or onnx:FOLDER, not "${text}"`,
      "as in --embedder http://127.0.0.1:11434/v1#nomic-embed-text",
    );
  }
  return { url: text.slice(0, at), model: text.slice(at + 1) };
};

const onnx = "onnx:";

/** The embedder that was asked for; `dimension` where a file says which one it must have. */
export const embedderOf = async (
  context: CommandContext,
  { embedder = "hashed", allowRemote = false }: FileOptions,
  dimension?: number,
): Promise<Embedder | undefined> => {
  if (embedder === "none") return undefined;
  if (embedder === "hashed") return new HashedEmbedder();
  if (embedder.startsWith(onnx)) {
    const { localEmbedder } = await import("@ioi/drivers/embed");
    return await localEmbedder(resolve(context.io.cwd, embedder.slice(onnx.length)));
  }
  const key = context.io.env["IOI_EMBEDDER_KEY"];
  const { serverEmbedder } = await import("@ioi/drivers/embed");
  return await serverEmbedder({
    ...serverOf(embedder),
    ...(dimension === undefined ? {} : { dimension }),
    ...(key === undefined || key === "" ? {} : { key }),
    mayLeaveMachine: allowRemote,
    signal: context.signal,
  });
};

/** The file's own embedder where nobody has to say where it is. */
const embedderFor = async (
  context: CommandContext,
  options: FileOptions,
  { index, embedder }: Parameters,
): Promise<Embedder | undefined> => {
  if (options.embedder !== undefined) return await embedderOf(context, options, index.dimension);
  return embedder.kind === "hashed" ? new HashedEmbedder() : undefined;
};

export const openMemories = async (
  context: CommandContext,
  file: string | undefined,
  mode: "read" | "write",
  options: FileOptions,
  extent: "all" | "tail" = "tail",
): Promise<{ readonly substrate: Substrate; readonly place: Place }> => {
  const place = placeOf(context, file);
  const parameters = await peekMemoryFile(place);
  const unlock = await unlockFor(context, place, parameters, options);
  const report = reporter(context);
  const substrate = await openSubstrate(place, mode, {
    unlock,
    embedder: await embedderFor(context, options, parameters),
    kernel,
    extent,
    progress: (done, total) => {
      if (done < total) report(() => `opening: ${done} of ${total}`);
    },
    signal: context.signal,
  });
  return { substrate, place };
};

export const numberOf = (text: string): number => {
  if (!/^\d{1,15}$/.test(text)) throw usage(`a memory is named by its number, not by "${text}"`);
  return Number(text);
};

/** The file's embedder is one that was not given: what then holds, in words. */
export const byWordsOnly = (substrate: Substrate, options: FileOptions): string | undefined => {
  const { embedder, index } = substrate.info.parameters;
  const isMissing = index.dimension > 0 && embedder.kind !== "hashed" && !options.embedder;
  return isMissing
    ? `by words alone: the vectors are of ${embedder.kind} ${embedder.name}; name it with --embedder`
    : undefined;
};
