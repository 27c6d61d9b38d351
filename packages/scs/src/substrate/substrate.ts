/**
 * Memories that are found again: a memory file with its indexes by words and by vectors, and proofs of
 * what they answer. See `types.ts` for what is asked and answered.
 *
 * - What finds memories is in memory while the file is open and a function of its log; in the file it
 *   lies in snapshots, which are checked against the roots of commits and made again where they do not fit.
 * - A commit names the root of the index as it is after it. After something was forgotten from a large
 *   index, no commit does until `rebuild` has made it anew; answers go on meanwhile.
 * - Calls that change or answer follow each other; embedding and rebuilding happen beside them.
 */
import { assert, OperationError, type Signal, toHex } from "@ioi/base";
import { audit } from "./audit.ts";
import { checkInput, checkThere } from "./checks.ts";
import { duplicatesOf } from "./duplicates.ts";
import type { CarriedIndex } from "../compact.ts";
import type { Extra, Adding } from "../file-types.ts";
import type { MemoryFile } from "../file.ts";
import type { Place } from "../header.ts";
import { indexedOnForgettingMax, snapshotBytesMax } from "../limits.ts";
import type { NewMemory } from "../memory.ts";
import type { NewSegment } from "../segments.ts";
import { encodeVectors } from "../vectors.ts";
import type { WordIndex } from "../words/index.ts";
import {
  acceptOf,
  checkQuery,
  commitAsked,
  find,
  isFiltered,
  isWhole,
  isReadable,
  type Meta,
  readMetas,
  recalledOf,
} from "./recall.ts";
import { proofOf, provableSearch } from "./proof.ts";
import type {
  Audit,
  Cancellable,
  LogCheckpoint,
  Embedded,
  OpenOptions,
  Progress,
  ProvedRecall,
  ProveOptions,
  Recalled,
  RecallQuery,
  Remembered,
  RememberOptions,
  SubstrateInfo,
} from "./types.ts";
import type { NewNode, VectorIndex } from "./vector-index.ts";
import { VectorStore } from "./vector-store.ts";
import { Vectoriser } from "./vectoriser.ts";
import { isSameWords, loadWords, type WordStore } from "./word-store.ts";

/** Memories since the last snapshot at which there is a new one: while writing, and on closing. */
const snapshotEvery = { writing: 4096, closing: 64 } as const;
/** Memories of one call for which other threads are started; they help until the index is let go. */
const threadedMemoriesMin = 256;

export class Substrate implements AsyncDisposable {
  readonly file: MemoryFile;
  readonly #place: Place;
  readonly #isWritable: boolean;
  readonly #vectoriser: Vectoriser;
  readonly #vectors: VectorStore;
  readonly #progress: Progress;
  /** Both are loaded by the first call that needs them. */
  #words: WordStore | undefined;
  #index: VectorIndex | undefined;
  #isIndexLoaded = false;
  /** The index is the one that the log makes: nothing forgotten is a way in it. */
  #isExact = false;
  /** Why there is no index, where vectors do not open. */
  #lost: OperationError | undefined;
  /** A change failed half way: all is loaded again before it is used. */
  #isBroken = false;
  readonly #metas = new Map<number, Meta>();
  #forgettings = 0;
  /** Memories that were there at the last snapshot. */
  #snapshotAt = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /** Use `openSubstrate`. */
  constructor(
    place: Place,
    file: MemoryFile,
    isWritable: boolean,
    { embedder, kernel, progress, signal }: OpenOptions,
  ) {
    this.file = file;
    this.#place = place;
    this.#isWritable = isWritable;
    this.#vectoriser = new Vectoriser(place, file.info.parameters, embedder, kernel);
    this.#vectors = new VectorStore(place, file, kernel);
    this.#progress = (done, total) => {
      signal?.throwIfAborted();
      return progress?.(done, total);
    };
  }

  /** What storing needs of the words. */
  async #loadWords(): Promise<WordStore> {
    return (this.#words ??= await loadWords(this.file, this.#place.provider, this.#readText));
  }

  /** What a question needs of them: all. A segment that is damaged is made again from the memories. */
  async #loadAllWords(): Promise<WordIndex> {
    const all = await (await this.#loadWords()).whole();
    if (all !== undefined) return all;
    this.#words = await loadWords(this.file, this.#place.provider, this.#readText, "anew");
    const anew = await this.#words.whole();
    assert(anew !== undefined, "words that were just made");
    return anew;
  }

  readonly #readText = async (id: number): Promise<string | undefined> => {
    await this.#progress(id, this.file.memories);
    return isReadable(this.file, id) ? (await this.file.read(id)).text : undefined;
  };

  async #loadIndex(): Promise<VectorIndex | undefined> {
    if (!this.#vectoriser.hasVectors || this.#isIndexLoaded) return this.#index;
    const { index, isExact, lost } = await this.#vectors.open(this.#progress);
    [this.#index, this.#isExact, this.#lost] = [index, isExact, lost];
    this.#isIndexLoaded = true;
    return index;
  }

  /** Why nothing is found by vectors, where some are damaged; known once they were needed. */
  get vectorsLost(): string | undefined {
    return this.#lost?.message;
  }

  get info(): SubstrateInfo {
    const body = this.file.lastCommit?.body;
    return {
      ...this.file.info,
      vectors: this.#vectors.count,
      indexRoot: body?.indexRoot,
      lexicalRoot: body?.lexicalRoot,
      stale: this.#isStale,
    };
  }

  get #isStale(): boolean {
    const body = this.file.lastCommit?.body;
    return this.#vectoriser.hasVectors && body !== undefined && body.indexRoot === undefined;
  }

  /** Runs after what was asked for before; after a failure on the way all is loaded again. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(async () => {
      if (this.#isBroken) {
        this.#words = undefined;
        this.#index?.dismiss();
        this.#isIndexLoaded = false;
        this.#isBroken = false;
      }
      return await work();
    });
    this.#turn = run.catch(() => undefined);
    return await run;
  }

  /** Runs what changes what is in memory before it is committed. */
  async #changing<T>(work: () => Promise<T>): Promise<T> {
    this.#isBroken = true;
    const done = await work();
    this.#isBroken = false;
    return done;
  }

  get #indexRoot(): Uint8Array | undefined {
    return this.#isExact ? this.#index?.root() : undefined;
  }

  /** Stores memories, all or none. One that is there already is told, and kept all the same. */
  async remember(
    memories: readonly NewMemory[],
    { signal, embed = "now" }: RememberOptions = {},
  ): Promise<readonly Remembered[]> {
    signal?.throwIfAborted();
    checkInput(memories, this.#place.path);
    const texts = memories.map(({ text }) => text);
    const components = embed === "now" ? await this.#vectoriser.embed(texts, signal) : undefined;
    signal?.throwIfAborted();
    return await this.#inTurn(async () => {
      const words = await this.#loadWords();
      const index = await this.#loadIndex();
      if (memories.length >= threadedMemoriesMin) await index?.employ();
      const duplicates = duplicatesOf(texts, components, words, index);
      const ids = await this.#changing(async () => {
        const added = await this.file.add(memories, (adding) => this.#adding(adding, components));
        for (const [i, id] of added.entries()) words.add(id, texts[i]);
        return added;
      });
      if (words.isFull) await this.#fold(words);
      await this.#snapshotIfDue(snapshotEvery.writing, 1);
      return ids.map((id, i) => {
        const duplicate = duplicates(i, ids);
        return duplicate === undefined ? { id } : { id, nearDuplicateOf: duplicate };
      });
    });
  }

  #adding({ first, leaves }: Adding, components: readonly Int16Array[] | undefined): Extra {
    if (components === undefined) return { indexRoot: this.#indexRoot };
    this.#index?.add(
      components.map((each, i) => {
        const leaf = leaves[i] as Uint8Array;
        return { memory: first + i, components: () => each, leaf };
      }),
    );
    const bytes = encodeVectors(this.#vectors.dimension, components);
    const segment = { kind: "vector", first, count: components.length, bytes } as const;
    return { segments: [segment], indexRoot: this.#indexRoot };
  }

  /** How many memories have no vector, where there are vectors. */
  async unembedded(): Promise<number> {
    return await this.#inTurn(async () => (await this.#missing()).length);
  }

  async #missing(): Promise<readonly number[]> {
    if (!this.#vectoriser.hasVectors) return [];
    return await this.#vectors.missing(this.#lost === undefined ? "beginning" : "whole");
  }

  /** Gives vectors to at most so many memories that have none, or lost theirs, the oldest first. */
  async embed(most: number, { signal }: Cancellable = {}): Promise<Embedded> {
    const due = await this.#inTurn(async () => {
      await this.#loadIndex();
      return await this.#missing();
    });
    const ids = due.slice(0, most);
    const texts: string[] = [];
    for (const id of ids) texts.push((await this.file.read(id)).text);
    const components = ids.length === 0 ? [] : await this.#vectoriser.embed(texts, signal);
    const given = new Map(ids.map((id, i) => [id, components?.[i] as Int16Array]));
    const left = due.length - given.size;
    if (given.size > 0) {
      await this.#inTurn(() => this.#give(given));
      // While others are lost, there is nothing to make an index of.
      if (!this.#isExact && (this.#lost === undefined || left === 0)) await this.rebuild();
    }
    return { embedded: given.size, left };
  }

  async #give(given: Map<number, Int16Array>): Promise<void> {
    await this.#changing(async () => {
      const index = await this.#loadIndex();
      for (const id of given.keys()) if (!isReadable(this.file, id)) given.delete(id);
      const nodes = [...given].map(([memory, each]) => ({
        memory,
        components: () => each,
        leaf: this.file.leafOf(memory),
      }));
      // The index is in the order of the log: one that comes between others makes it anew.
      const isNext = index?.isBefore(nodes[0]?.memory ?? 0) === true;
      if (isNext) index.add(nodes);
      this.#isExact &&= isNext;
      const { segments, drop } = await this.#vectors.withMore(given);
      await this.#replace(segments, drop);
    });
  }

  async recall(query: RecallQuery, { signal }: Cancellable = {}): Promise<Recalled> {
    return await this.#ask(query, signal, (recalled) => Promise.resolve(recalled));
  }

  /** The same answer, with what shows it. */
  async prove(query: RecallQuery, options: ProveOptions = {}): Promise<ProvedRecall> {
    return await this.#ask(query, options.signal, async (recalled, components) => {
      if (options.nearest !== undefined && this.#lost !== undefined) throw this.#lost;
      const index = this.#isExact && !this.#isStale ? this.#index : undefined;
      const search = provableSearch({ query, components, index }, options, this.#place.path);
      const ids = recalled.answers.map(({ id }) => id);
      return { ...recalled, proof: await proofOf(this.file, query, ids, search) };
    });
  }

  /** What shows chosen memories, without a search. */
  async show(ids: readonly number[]): Promise<Uint8Array> {
    return await this.#inTurn(() => proofOf(this.file, { k: ids.length }, ids, undefined));
  }

  async #ask<T>(
    query: RecallQuery,
    signal: Signal | undefined,
    then: (recalled: Recalled, components: Int16Array | undefined) => Promise<T>,
  ): Promise<T> {
    checkQuery(query, this.#place.path);
    signal?.throwIfAborted();
    const components = await this.#vectoriser.query(query, signal);
    return await this.#inTurn(async () => {
      const commit = commitAsked(this.file, this.#place.path, query.asOf);
      if (isFiltered(query)) await readMetas(this.file, this.#metas, signal);
      const filter = isFiltered(query) ? query.filter : undefined;
      const accept = acceptOf(this.file, commit, filter, this.#metas);
      const isWeak = this.#vectoriser.isWeak;
      const question = { query, components, accept, isWhole: isWhole(query), isWeak };
      const words = query.by === "vectors" ? undefined : await this.#loadAllWords();
      const index = components === undefined ? undefined : await this.#loadIndex();
      const lost = components === undefined ? undefined : this.#lost;
      if (lost !== undefined && (query.by === "vectors" || query.text === undefined)) throw lost;
      const found = find(question, words, index);
      const isAlike = (a: number, b: number): boolean =>
        this.#words?.isSame(a, b) === true || this.#index?.isNear(a, b) === true;
      const recalled = await recalledOf(this.file, found, commit, isAlike);
      return await then({ ...recalled, ...(lost && { vectorsLost: lost.message }) }, components);
    });
  }

  /** Erases memories and all that finds them. A large index is then to be made anew: `rebuild`. */
  async forget(ids: readonly number[]): Promise<void> {
    await this.#inTurn(async () => {
      // Refused before anything changes.
      for (const id of ids) checkThere(this.file, id, this.#place.path);
      await this.#changing(async () => {
        this.#forgettings++;
        const words = await this.#loadWords();
        await this.#loadIndex();
        // What is on its way to the file must not come there with what is forgotten.
        if (words.isFull) await this.#fold(words);
        for (const id of ids) {
          words.remove(id);
          this.#metas.delete(id);
        }
        const segments = await words.without(ids);
        await this.#unindex(ids);
        await this.file.forget(ids, { segments, indexRoot: this.#indexRoot });
      });
    });
  }

  async #unindex(ids: readonly number[]): Promise<void> {
    const index = this.#index;
    if (index === undefined || !ids.some((id) => index.has(id))) return;
    if (index.size > indexedOnForgettingMax) {
      for (const id of ids) index.bury(id);
      this.#isExact = false;
      return;
    }
    const gone = new Set(ids);
    const nodes = (await this.#vectors.nodes()).filter(({ memory }) => !gone.has(memory));
    index.dismiss();
    this.#index = await this.#vectors.build(nodes);
    this.#isExact = true;
  }

  /** Leaves memories out of answers. */
  tomb(ids: readonly number[]): Promise<void> {
    return this.#bury(ids, (extra) => this.file.tomb(ids, extra));
  }

  /** Says that `by` holds now what `id` held. */
  supersede(id: number, by: number): Promise<void> {
    return this.#bury([id], (extra) => this.file.supersede(id, by, extra));
  }

  async #bury(ids: readonly number[], mark: (extra: Extra) => Promise<void>): Promise<void> {
    await this.#inTurn(() =>
      this.#changing(async () => {
        const index = await this.#loadIndex();
        for (const id of ids) index?.bury(id);
        await mark({ indexRoot: this.#indexRoot });
      }),
    );
  }

  /**
   * Makes the index anew from the log, as is due after something was forgotten. Answers go on
   * meanwhile, where `progress` gives them a turn.
   */
  async rebuild(progress?: Progress): Promise<void> {
    if (!this.#vectoriser.hasVectors) return;
    for (;;) {
      const began = this.#forgettings;
      const nodes = await this.#inTurn(() => this.#vectors.nodes());
      const index = await this.#vectors.build(nodes, progress);
      if (await this.#inTurn(() => this.#takeIndex(index, nodes, began))) return;
    }
  }

  /** False: something was forgotten while the index was made. */
  async #takeIndex(index: VectorIndex, nodes: readonly NewNode[], began: number): Promise<boolean> {
    if (began !== this.#forgettings) return false;
    return await this.#changing(async () => {
      const after = (await this.#vectors.nodes()).slice(nodes.length);
      index.add(after);
      this.#vectors.buryAll(index, [...nodes, ...after]);
      this.#index?.dismiss();
      this.#index = index;
      this.#isExact = true;
      this.#isIndexLoaded = true;
      this.#lost = undefined;
      await this.#snapshot();
      return true;
    });
  }

  /** Makes index and words again from the log and compares them with what is committed. */
  async audit(progress?: Progress): Promise<Audit> {
    return await this.#inTurn(async () => {
      const words = await loadWords(this.file, this.#place.provider, this.#readText, "anew");
      const isSame = (await isSameWords(words, await this.#loadWords())) === true;
      const vectors = !this.#vectoriser.hasVectors ? undefined : this.#vectors;
      return await audit(this.file, vectors, isSame, progress);
    });
  }

  /** Writes what finds memories into the file as it is now, so that opening need not make it again. */
  async save(): Promise<void> {
    await this.#inTurn(() => this.#snapshot());
  }

  /** The index for a compaction of this file; undefined: there is none that holds. */
  async carried(): Promise<CarriedIndex | undefined> {
    return await this.#inTurn(async () => {
      const index = await this.#loadIndex();
      const commit = this.file.info.lastCommit;
      const isCarried = commit !== undefined && index !== undefined && this.#isExact;
      return isCarried ? { commit, bytes: index.snapshot("without leaves") } : undefined;
    });
  }

  async #snapshotIfDue(least: number, part: number): Promise<void> {
    if (this.#words === undefined) return;
    const covered = Math.max(this.file.tabled, this.#snapshotAt);
    const since = this.file.memories - covered;
    if (since >= least && since >= covered * part) await this.#snapshot();
  }

  /**
   * What finds memories goes into the file as it is now, and behind it a table of all before. Each kind is
   * a commit of its own, with what it replaces: after a crash between them the one or the other holds.
   */
  async #snapshot(): Promise<void> {
    await this.#fold(await this.#loadWords());
    const index = await this.#loadIndex();
    if (this.#vectoriser.hasVectors) {
      const joined = await this.#vectors.joined();
      await this.#replace(joined.segments, joined.drop);
    }
    if (index !== undefined && this.#isExact) {
      const shot = this.#vectors.snapshot(index);
      // One that is too large is made again on opening.
      if (shot.segment.bytes.length <= snapshotBytesMax) {
        await this.#replace([shot.segment], shot.drop);
      }
    }
    await this.file.writeTable(this.#indexRoot);
    this.#snapshotAt = this.file.memories;
  }

  /** The words that are in no segment yet go into the file. */
  async #fold(words: WordStore): Promise<void> {
    const commits = await words.fold();
    for (const { segments, drop } of commits) await this.#replace(segments, drop);
    if (commits.length > 0) words.folded();
  }

  async #replace(segments: readonly NewSegment[], drop: readonly number[]): Promise<void> {
    await this.file.writeSegments({ segments, drop, indexRoot: this.#indexRoot });
  }

  checkpoint(): LogCheckpoint {
    const { storeId, logSize, logRoot } = this.file.info;
    return { origin: `ioi/scs/${toHex(storeId)}`, size: logSize, root: logRoot };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.#turn;
      // What failed is in no snapshot; what is damaged is not written to.
      if (this.#isWritable && !this.#isBroken) {
        await this.#snapshotIfDue(snapshotEvery.closing, 1 / 8);
      }
    } catch (error) {
      // A snapshot only makes opening faster: without one the file says the same.
      const isFull = error instanceof OperationError && error.code === "E_SCS_FULL";
      if (!isFull) throw error;
    } finally {
      this.#index?.dismiss();
      await this.file.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
