/**
 * Search below a folder: by file name (a glob), by literal text, or both. Follows no link, opens no
 * special file, leaves out what is masked, and stops at its bounds with `more`.
 *
 * Names that begin with a dot are neither looked into nor told: a policy that allows a search of
 * the folder does not allow what it asks about by name. Such a folder is searched by naming it.
 */
import fs from "node:fs";
import { utf8Encode } from "@ioi/base";
import { type ActReport, refused } from "../core/driver.ts";
import { breathe } from "../fs/entries.ts";
import { kindOf, recheck, reject, type Roots, type Spot } from "../fs/roots.ts";
import { errnoOf, type Fd, openPathIfAny, readNames, reopen, statFd } from "../fs/syscalls.ts";
import {
  searchAnswerBytesMax,
  searchBytesMax,
  searchEntriesMax,
  searchFileBytesMax,
  searchLineCharsMax,
  searchMatchesMax,
  searchMsMax,
  treeDepthMax,
} from "../limits.ts";
import { globMatcher } from "./glob.ts";
import { looked } from "./look.ts";

type Match = { readonly path: string; readonly line?: number; readonly text?: string };

export interface SearchArguments {
  readonly name?: string;
  readonly text?: string;
}

const BLOCK = 262_144;

class Search {
  readonly matches: Match[] = [];
  /** A bound ended the search, or something in it could not be searched whole. */
  more = false;
  #ended = false;
  bytes = 0;
  readonly #roots: Roots;
  readonly #signal: AbortSignal;
  readonly #name: (name: string) => boolean;
  readonly #needle: Uint8Array | undefined;
  readonly #endMs: number;
  #entries = 0;
  #answer = 0;

  constructor(roots: Roots, args: SearchArguments, signal: AbortSignal) {
    this.#roots = roots;
    this.#signal = signal;
    this.#name = args.name === undefined ? () => true : globMatcher(args.name);
    this.#needle = args.text === undefined ? undefined : utf8Encode(args.text);
    this.#endMs = performance.now() + searchMsMax;
  }

  get #full(): boolean {
    if (
      this.matches.length >= searchMatchesMax ||
      this.#answer >= searchAnswerBytesMax ||
      this.#entries >= searchEntriesMax ||
      this.bytes >= searchBytesMax ||
      performance.now() >= this.#endMs
    ) {
      this.#ended = true;
      this.more = true;
    }
    return this.#ended;
  }

  async folder(folder: Fd, path: string, depth: number): Promise<void> {
    const names: string[] = [];
    for (const { name } of readNames(folder)) {
      if (name !== undefined && !name.startsWith(".")) names.push(name);
      if (names.length >= searchEntriesMax) break;
    }
    for (const name of names.sort()) {
      if (this.#full) return;
      this.#entries += 1;
      if (this.#entries % 128 === 0) await breathe(this.#signal);
      const child = path === "/" ? `/${name}` : `${path}/${name}`;
      if (!this.#roots.isMasked(child)) await this.#child(folder, name, child, depth);
    }
  }

  async #child(folder: Fd, name: string, path: string, depth: number): Promise<void> {
    try {
      using object = openPathIfAny(folder, name);
      if (object === undefined) return;
      const kind = kindOf(statFd(object));
      if (this.#name(name)) await this.#visit(object, path, kind);
      if (kind !== "directory") return;
      if (depth >= treeDepthMax) this.more = true;
      else await this.folder(object, path, depth + 1);
    } catch (error) {
      // What cannot be opened is not searched; a stop or a bug goes up.
      if (errnoOf(error) === undefined) throw error;
      this.more = true;
    }
  }

  async #visit(object: Fd, path: string, kind: ReturnType<typeof kindOf>): Promise<void> {
    if (this.#needle === undefined) this.#found({ path });
    else if (kind === "file") await this.#content(object, path, this.#needle);
  }

  #found(match: Match): void {
    this.#answer += 64 + match.path.length + (match.text?.length ?? 0);
    this.matches.push(match);
  }

  /** Blocks overlap by the needle's length, so that a match across a border is seen. */
  async #content(object: Fd, path: string, needle: Uint8Array): Promise<void> {
    if (needle.length === 0) return this.#found({ path });
    using opened = reopen(object, "file");
    const whole = Number(statFd(object).size);
    const size = Math.min(whole, searchFileBytesMax);
    if (size < whole) this.more = true;
    const block = Buffer.allocUnsafe(BLOCK + needle.length);
    let line = 1;
    let lineCounted = 0;
    for (let at = 0; at < size && !this.#full;) {
      const got = fs.readSync(opened.number, block, 0, Math.min(block.length, size - at), at);
      if (got === 0) return;
      this.bytes += got;
      const view = block.subarray(0, got);
      for (let from = 0; !this.#full;) {
        const hit = view.indexOf(needle, from);
        // A hit in the overlap belongs to the next block.
        if (hit === -1 || (hit >= BLOCK && at + got < size)) break;
        for (let i = lineCounted - at; i < hit; i++) if (view[i] === 10) line += 1;
        lineCounted = at + hit;
        this.#found({ path, line, text: lineText(opened, at + hit) });
        const next = view.indexOf(10, hit);
        if (next === -1) {
          from = got;
          break;
        }
        from = next;
      }
      const end = Math.min(at + BLOCK, at + got);
      for (let i = Math.max(lineCounted, at) - at; i < end - at; i++) if (view[i] === 10) line += 1;
      lineCounted = Math.max(lineCounted, end);
      at = end;
      await breathe(this.#signal);
    }
  }
}

/** The line around an offset, bounded, as text. */
const lineText = (opened: Fd, offset: number): string => {
  const before = Math.min(offset, searchLineCharsMax);
  const around = Buffer.alloc(before + searchLineCharsMax);
  const got = fs.readSync(opened.number, around, 0, around.length, offset - before);
  const start = around.subarray(0, before).lastIndexOf(10) + 1;
  const stop = around.subarray(0, got).indexOf(10, before);
  const line = around.subarray(start, stop === -1 ? got : stop);
  return new TextDecoder().decode(line).slice(0, searchLineCharsMax);
};

export const searchTarget = async (
  roots: Roots,
  spot: Spot,
  args: SearchArguments,
  signal: AbortSignal,
): Promise<ActReport> => {
  const checked = recheck(roots, spot);
  if (!checked.ok) return refused(checked.error);
  const { path } = spot.place;
  if (spot.object === undefined) {
    return refused(reject("E_FS_NOT_FOUND", `${path} does not exist`).error);
  }
  if (spot.stat?.isDirectory() !== true) {
    return refused(reject("E_FS_NOT_A_DIRECTORY", `${path} is not a folder`).error);
  }
  const search = new Search(roots, args, signal);
  await search.folder(spot.object, path, 0);
  return looked({ matches: search.matches, more: search.more }, search.bytes);
};
