/**
 * An import: what a reader makes of a file, stored in commits of bounded size.
 *
 * Every memory carries two tags, `import:` and the hash of the file's content and kind, `item:` and its
 * number in it. A commit is there whole or not at all and numbers rise, so the highest number that is
 * there says how far an interrupted import came: the same file is read again and what is there is passed
 * over. It gives the same memories as one that was never interrupted, none twice. Another content, also
 * one that only grew, is another import.
 *
 * Memory: one batch, and what the reader holds. Finding the place reads the file's memories from the
 * newest back to the first of this import that it meets; all of them where there is none.
 */
import { assert, OperationError, type Signal, toHex, utf8Encode } from "@ioi/base";
import {
  importBatchChars,
  importBatchMemories,
  importReportsMax,
  memoryBytesMax,
  memoryTagsMax,
} from "../limits.ts";
import type { NewMemory } from "../memory.ts";
import type { Substrate } from "../substrate/index.ts";
import type { Item, ItemReader, PassedOver } from "./reader.ts";

export interface ImportSource {
  /** As it is shown and stored: a file's name. */
  readonly name: string;
  /** Hash of the content. */
  readonly hash: Uint8Array;
  /** Names the reader; the same content read otherwise is another import. */
  readonly kind: string;
  readonly reader: ItemReader;
  /** The content as text, in pieces. */
  readonly texts: AsyncIterable<string>;
  readonly tags?: readonly string[];
  readonly class?: number;
}

export interface ImportOptions {
  /** Told after every commit: memories that are there, and how many of them were there before. */
  readonly progress?: (done: { readonly memories: number; readonly before: number }) => void;
  readonly signal?: Signal;
}

export interface ImportReport {
  /** The tag of all its memories. */
  readonly tag: string;
  /** Memories of this import that are in the file now. */
  readonly memories: number;
  /** Of these, how many were there when it began. */
  readonly before: number;
  readonly passedOver: number;
  /** The first of what was passed over. */
  readonly reports: readonly PassedOver[];
}

const itemTag = "item:";
const hashDigits = 24;

/** Items of an import that are there: one more than the highest number. */
const itemsThere = async (
  { file }: Substrate,
  tag: string,
  signal: Signal | undefined,
): Promise<number> => {
  for (let id = file.memories - 1; id >= 0; id--) {
    signal?.throwIfAborted();
    const kept = file.kept(id);
    if (kept === undefined || kept.forgotten || kept.isKeyDamaged) continue;
    const { tags, origin } = await file.read(id);
    // Only the first two are an import's own; the rest is what files and others say.
    const [own, item] = tags;
    if (origin.kind !== "import" || own !== tag || item?.startsWith(itemTag) !== true) continue;
    return Number(item.slice(itemTag.length)) + 1;
  }
  return 0;
};

class Importing {
  readonly #substrate: Substrate;
  readonly #source: ImportSource;
  readonly #options: ImportOptions;
  readonly tag: string;
  #before = 0;
  #number = 0;
  #batch: NewMemory[] = [];
  #chars = 0;
  #passedOver = 0;
  readonly #reports: PassedOver[] = [];

  constructor(substrate: Substrate, source: ImportSource, options: ImportOptions) {
    this.#substrate = substrate;
    this.#source = source;
    this.#options = options;
    this.tag = `import:${source.kind}-${toHex(source.hash).slice(0, hashDigits)}`;
  }

  async run(): Promise<ImportReport> {
    const { reader, texts } = this.#source;
    this.#before = await itemsThere(this.#substrate, this.tag, this.#options.signal);
    for await (const text of texts) {
      this.#options.signal?.throwIfAborted();
      await this.#take(reader.push(text));
    }
    await this.#take(reader.end());
    await this.#commit();
    if (this.#number < this.#before) {
      throw new OperationError("E_SCS_IMPORT", `${this.#source.name} changed while it was read`);
    }
    return {
      tag: this.tag,
      memories: this.#number,
      before: this.#before,
      passedOver: this.#passedOver,
      reports: this.#reports,
    };
  }

  async #take(all: ReturnType<ItemReader["push"]>): Promise<void> {
    for (const each of all) {
      if (each.type === "passed over") this.#report(each);
      else if (this.#isTooLarge(each)) {
        const why = `a memory of more than ${memoryBytesMax} bytes`;
        this.#report({ type: "passed over", at: each.at, why });
      } else await this.#item(each);
    }
  }

  #isTooLarge({ text }: Item): boolean {
    return text.length > memoryBytesMax / 3 && utf8Encode(text).length > memoryBytesMax;
  }

  #report(what: PassedOver): void {
    this.#passedOver++;
    if (this.#reports.length < importReportsMax) this.#reports.push(what);
  }

  async #item(item: Item): Promise<void> {
    const number = this.#number++;
    if (number < this.#before) return;
    const { name, tags = [] } = this.#source;
    const own = [this.tag, `${itemTag}${number}`];
    this.#batch.push({
      text: item.text,
      mediaType: item.mediaType,
      ...(item.saidMs === undefined ? {} : { saidMs: item.saidMs }),
      origin: { kind: "import", from: name },
      source: item.at === "" ? name : `${name}#${item.at}`.slice(0, 2048).toWellFormed(),
      // What the file itself says comes last, and gives way.
      tags: [...new Set([...own, ...tags, ...item.tags])].slice(0, memoryTagsMax),
      class: this.#source.class ?? 0,
    });
    this.#chars += item.text.length;
    const isFull = this.#batch.length >= importBatchMemories || this.#chars >= importBatchChars;
    if (isFull) await this.#commit();
  }

  async #commit(): Promise<void> {
    if (this.#batch.length === 0) return;
    const { signal, progress } = this.#options;
    const stored = await this.#substrate.remember(
      this.#batch,
      signal === undefined ? {} : { signal },
    );
    assert(stored.length === this.#batch.length, "a memory of an import was not stored");
    this.#batch = [];
    this.#chars = 0;
    progress?.({ memories: this.#number, before: this.#before });
  }
}

/** Stores what `source` holds; what is there from an earlier run is not stored again. */
export const importInto = (
  substrate: Substrate,
  source: ImportSource,
  options: ImportOptions = {},
): Promise<ImportReport> => new Importing(substrate, source, options).run();
