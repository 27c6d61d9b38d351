/**
 * Looking for bytes in a process's memory and in files, as root: for canaries. The memory is read
 * through /proc, the pages that hold something; regions of devices are passed over. Sources:
 * proc(5), Documentation/admin-guide/mm/pagemap.rst.
 */
import fs from "node:fs";
import path from "node:path";
import { OperationError } from "@ioi/base";

const blockBytes = 4 * 1024 * 1024;
const pageBytes = 4096n;
/** Present in memory, or swapped out: the page holds something of its own. */
const pageHeld = 0b1100_0000;

interface Stretch {
  readonly from: bigint;
  readonly to: bigint;
}

/** The stretches of a region whose pages hold something: runtimes reserve far more than they use. */
const heldIn = (pagemap: number, { from, to }: Stretch): readonly Stretch[] => {
  const entries = Buffer.alloc(Number((to - from) / pageBytes) * 8);
  let got: number;
  try {
    got = fs.readSync(pagemap, entries, 0, entries.length, (from / pageBytes) * 8n);
  } catch {
    return [{ from, to }];
  }
  const stretches: Stretch[] = [];
  let start: bigint | undefined;
  for (let at = 0; at <= got; at += 8) {
    // The highest byte of an entry, little-endian.
    const held = at < got && ((entries[at + 7] ?? 0) & pageHeld) !== 0;
    const here = from + BigInt(at / 8) * pageBytes;
    if (held) start ??= here;
    else if (start !== undefined) {
      stretches.push({ from: start, to: here });
      start = undefined;
    }
  }
  return stretches;
};

const regionsOf = (pid: number): readonly Stretch[] =>
  fs
    .readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .flatMap((line) => {
      const match = /^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \d+\s*(.*)$/.exec(line);
      if (match === null || match[3] === "[vvar]" || match[3] === "[vsyscall]") return [];
      return [{ from: BigInt(`0x${match[1]}`), to: BigInt(`0x${match[2]}`) }];
    });

/** A text as the runtime may hold it: one byte a character, or two; bytes as they are. */
const formsOf = (text: string | Uint8Array): readonly Buffer[] =>
  typeof text === "string"
    ? [Buffer.from(text, "utf8"), Buffer.from(text, "utf16le")]
    : [Buffer.from(text)];

const countIn = (haystack: Buffer, needle: Buffer): number => {
  let count = 0;
  for (let at = haystack.indexOf(needle); at !== -1; at = haystack.indexOf(needle, at + 1)) count++;
  return count;
};

const countForms = (haystack: Buffer, forms: readonly Buffer[]): number =>
  forms.reduce((sum, form) => sum + countIn(haystack, form), 0);

/** Stands in every process of the runtime: where it is not found, the memory was not looked at. */
const known = process.version;

/**
 * How often the text stands in the readable memory of a process of this runtime. Throws where there is no
 * such process, or it may not be read.
 */
export const hitsInMemory = (
  pid: number,
  text: string | Uint8Array,
): { hits: number; bytes: number } => {
  const forms = formsOf(text);
  const knownForms = formsOf(known);
  const overlap = Math.max(...[...forms, ...knownForms].map((form) => form.length)) - 1;
  if (!fs.existsSync(`/proc/${pid}`)) throw new OperationError("E_TEST", `no process ${pid}`);
  const memory = fs.openSync(`/proc/${pid}/mem`, "r");
  const pagemap = fs.openSync(`/proc/${pid}/pagemap`, "r");
  let hits = 0;
  let bytes = 0;
  let isLookedAt = false;
  try {
    for (const { from, to } of regionsOf(pid).flatMap((region) => heldIn(pagemap, region))) {
      let tail = Buffer.alloc(0);
      for (let at = from; at < to; at += BigInt(blockBytes)) {
        const block = Buffer.alloc(Number(to - at < blockBytes ? to - at : BigInt(blockBytes)));
        let got: number;
        try {
          got = fs.readSync(memory, block, 0, block.length, at);
        } catch {
          break;
        }
        bytes += got;
        const joined = Buffer.concat([tail, block.subarray(0, got)]);
        hits += countForms(joined, forms);
        isLookedAt ||= knownForms.some((form) => joined.includes(form));
        tail = Buffer.from(joined.subarray(Math.max(0, joined.length - overlap)));
      }
    }
  } finally {
    fs.closeSync(memory);
    fs.closeSync(pagemap);
  }
  if (!isLookedAt) throw new OperationError("E_TEST", `nothing of process ${pid} could be read`);
  return { hits, bytes };
};

/** How often the text stands in the files below a folder; sockets are passed over. */
export const hitsInFiles = (folder: string, text: string | Uint8Array): number => {
  const forms = formsOf(text);
  let hits = 0;
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    hits += countForms(fs.readFileSync(path.join(entry.parentPath, entry.name)), forms);
  }
  return hits;
};
