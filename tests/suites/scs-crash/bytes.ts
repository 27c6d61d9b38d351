/** Every cut, torn appends, changed bytes: what a damaged file opens as, against what it must. */
import { crc32c, SeededRandom } from "@ioi/base";
import {
  hintedUpTo,
  hintsFrom,
  type ManyCommits,
  opened,
  recordsFrom,
  withoutHints,
} from "./world.ts";

/** What was tried, and the first thing that was not as it must be. */
export interface Tried {
  readonly tried: number;
  readonly wrong: number;
  readonly first: string | undefined;
}

export class Tally {
  tried = 0;
  wrong = 0;
  first: string | undefined;

  add(where: string, found: string, isRight: boolean): void {
    this.tried += 1;
    if (isRight) return;
    this.wrong += 1;
    this.first ??= `${where}: ${found}`;
  }
}

/** `step`: of every so many bytes one is tried. */
export const cuts = async ({ bytes, ends }: ManyCommits, step: number): Promise<Tried> => {
  const tally = new Tally();
  const plain = withoutHints(bytes);
  for (let length = 1; length < bytes.length; length += step) {
    const where = `cut to ${length} bytes`;
    if (length < recordsFrom) {
      const found = await opened(bytes.slice(0, length), "write");
      tally.add(where, found, /^E_SCS_(?:FOREIGN|DAMAGED)$/.test(found));
      continue;
    }
    const whole = 2 * ends.filter((end) => end <= length).length;
    // Nothing shows that more was there: an append that was interrupted, cut back to its commit.
    const cut = await opened(plain.slice(0, length), "write");
    tally.add(where, cut, cut === `${whole}`);
    // The hints show it: read as far as it goes, and never written to.
    const read = await opened(bytes.slice(0, length), "read");
    tally.add(`${where}, hinted`, read, read === `${whole} damaged`);
    const written = await opened(bytes.slice(0, length), "write");
    tally.add(`${where}, hinted, to write`, written, written === "E_SCS_DAMAGED");
  }
  return tally;
};

/** What a reader finds that takes every whole record for a memory, whether a commit follows or not. */
const withoutCommits = (bytes: Uint8Array): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let memories = 0;
  for (let at = recordsFrom; at + 24 <= bytes.length;) {
    const end = at + 24 + view.getUint32(at + 8, true);
    const isWhole =
      view.getUint32(at + 20, true) === crc32c(bytes.subarray(at, at + 20)) &&
      end + 4 <= bytes.length &&
      (bytes[at + 4] === 5 || view.getUint32(end, true) === crc32c(bytes.subarray(at + 24, end)));
    if (!isWhole) break;
    if (bytes[at + 4] === 1) memories += 1;
    at = Math.ceil((end + 4) / 8) * 8;
  }
  return memories;
};

/**
 * The last append as a crash may leave it: sectors there, lost, or of something else. `harmed`: how often
 * somebody who does not look for the commit would have taken half of it for stored.
 */
export const torn = async (
  { bytes, ends }: ManyCommits,
  rounds: number,
  random: SeededRandom,
): Promise<Tried & { readonly harmed: number }> => {
  let harmed = 0;
  const tally = new Tally();
  for (let round = 0; round < rounds; round++) {
    const commit = 1 + random.below(ends.length - 1);
    const [durable, end] = [ends[commit - 1] as number, ends[commit] as number];
    const left = hintedUpTo(bytes, commit - 1).slice(0, end);
    for (let at = durable; at < end;) {
      const next = Math.min(end, (Math.floor(at / 512) + 1) * 512);
      const how = random.below(6);
      if (how < 2) left.fill(0, at, next);
      else if (how === 2) random.fill(left.subarray(at, next));
      at = next;
    }
    const length = random.chance(1, 3) ? durable + random.below(end - durable + 1) : end;
    const found = await opened(left.slice(0, length), "write");
    const isWhole =
      length === end && Buffer.compare(left.subarray(durable), bytes.subarray(durable, end)) === 0;
    const due = `${2 * (isWhole ? commit + 1 : commit)}`;
    tally.add(`round ${round}, commit ${commit}`, found, found === due);
    if (`${withoutCommits(left.subarray(0, length))}` !== due) harmed += 1;
  }
  const { tried, wrong, first } = tally;
  return { tried, wrong, first, harmed };
};

const flipped = (bytes: Uint8Array, at: number, bit: number): Uint8Array => {
  const changed = bytes.slice();
  changed[at] = (changed[at] as number) ^ (1 << bit);
  return changed;
};

/** One changed bit, at every `step`-th byte or so. */
export const changes = async (
  { bytes, ends }: ManyCommits,
  step: number,
  random: SeededRandom,
): Promise<Tried> => {
  const tally = new Tally();
  const all = `${2 * ends.length}`;
  for (let at = 0; at < bytes.length; at += 1 + random.below(2 * step)) {
    const changed = flipped(bytes, at, random.below(8));
    const found = await opened(changed, "write");
    const before = 2 * ends.filter((end) => end <= at).length;
    if (at < hintsFrom) {
      tally.add(`byte ${at}`, found, /^E_SCS_(?:FOREIGN|DAMAGED|NEWER)$/.test(found));
    } else if (at < recordsFrom) {
      tally.add(`byte ${at}`, found, found === all);
    } else if (/^memory \d+ is damaged$/.test(found)) {
      // In a wrapped key: that memory is damaged, it says so, and nothing else is.
      tally.add(`byte ${at}`, found, true);
    } else {
      tally.add(`byte ${at}`, found, found === "E_SCS_DAMAGED");
      const read = await opened(changed, "read");
      tally.add(`byte ${at}, to read`, read, read === `${before} damaged`);
    }
  }
  return tally;
};

/** Damage far from the end is seen without hints too; at the end it is an interrupted append. */
export const damageWithoutHints = async ({ bytes, ends }: ManyCommits): Promise<Tried> => {
  const tally = new Tally();
  const plain = withoutHints(bytes);
  for (const [commit, end] of ends.slice(0, -1).entries()) {
    // In the sealed content of the memory after this commit.
    const found = await opened(flipped(plain, end + 24 + 108 + 60, 0), "write");
    const isLast = commit === ends.length - 2;
    const due = isLast ? `${2 * (commit + 1)}` : "E_SCS_DAMAGED";
    tally.add(`after commit ${commit}`, found, found === due);
  }
  return tally;
};
