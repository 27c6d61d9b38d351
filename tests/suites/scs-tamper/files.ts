/**
 * Mutations of memory files, by the layout of `specs/scs/format.md`, and what a file may open as
 * afterwards. Checksums are made right again half of the time: who means it does that.
 */
import { concatBytes, crc32c, equalBytes, type SeededRandom } from "@ioi/base";
import { changeBytes, changeRegion, type Region } from "./bytes.ts";
import type { Tried } from "./tally.ts";
import { openAs, type World } from "./world.ts";

const recordsFrom = 5120;
const headBytes = 24;
const types = [
  "none",
  "FRAME",
  "VECTOR",
  "TOMB",
  "SUPERSEDE",
  "KEY",
  "SHRED",
  "TABLE",
  "LEX",
  "INDEX",
  "COMMIT",
  "COMPACTED",
  "DROP",
];

const fieldsFrom = (from: number, fields: readonly (readonly [string, number])[]): Region[] => {
  let at = from;
  return fields.map(([field, length]) => {
    at += length;
    return { field, from: at - length, to: at };
  });
};

/** The heads of payloads that are no CBOR; the rest is sealed. */
const payloadFields: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  FRAME: [
    ["number", 8],
    ["class", 4],
    ["zeros", 4],
    ["commitment", 32],
  ],
  KEY: [
    ["number", 8],
    ["class", 4],
    ["of", 4],
    ["hash", 32],
    ["wrapped", 60],
  ],
};
const segmentFields: readonly (readonly [string, number])[] = [
  ["number", 8],
  ["first", 8],
  ["count", 4],
  ["part", 2],
  ["parts", 2],
];

interface Span {
  readonly type: string;
  readonly from: number;
  readonly length: number;
  readonly to: number;
}

const recordsOf = (bytes: Uint8Array): readonly Span[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const spans: Span[] = [];
  for (let from = recordsFrom; from + headBytes <= bytes.length;) {
    const length = view.getUint32(from + 8, true);
    const to = from + Math.ceil((headBytes + length + 4) / 8) * 8;
    spans.push({ type: types[bytes[from + 4] as number] as string, from, length, to });
    from = to;
  }
  return spans;
};

const recordRegions = ({ type, from, length, to }: Span): readonly Region[] => {
  const head = fieldsFrom(from, [
    ["record.magic", 4],
    ["record.type", 1],
    ["record.zeros", 3],
    ["record.length", 4],
    ["record.number", 8],
    ["record.checksum", 4],
  ]);
  const at = from + headBytes;
  const isSegment = ["VECTOR", "TABLE", "LEX", "INDEX"].includes(type);
  const fixed = payloadFields[type] ?? (isSegment ? segmentFields : []);
  const payload = fieldsFrom(
    at,
    fixed.map(([name, bytes]) => [`${type}.${name}`, bytes] as const),
  );
  const rest = payload.at(-1)?.to ?? at;
  const end = at + length;
  if (type === "COMMIT") {
    payload.push({ field: "COMMIT.body", from: rest, to: end - 32 });
    payload.push({ field: "COMMIT.seal", from: end - 32, to: end });
  } else if (rest < end) payload.push({ field: `${type}.rest`, from: rest, to: end });
  const after = fieldsFrom(end, [
    ["record.payloadChecksum", 4],
    ["record.padding", to - end - 4],
  ]).filter((region) => region.to > region.from);
  return [...head, ...payload, ...after, { field: `record.whole.${type}`, from, to }];
};

const superblockRegions = (bytes: Uint8Array): readonly Region[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(64, true);
  return fieldsFrom(0, [
    ["superblock.magic", 8],
    ["superblock.version", 4],
    ["superblock.features", 4],
    ["superblock.id", 16],
    ["superblock.salt", 32],
    ["superblock.length", 4],
    ["superblock.parameters", length],
    ["superblock.zeros", 4056 - 68 - length],
    ["superblock.checksum", 4],
    ["superblock.moreZeros", 4],
    ["superblock.hash", 32],
    ...["hint.0", "hint.1"].flatMap((hint) => [
      [`${hint}.magic`, 4] as const,
      [`${hint}.checksum`, 4] as const,
      [`${hint}.commit`, 8] as const,
      [`${hint}.offset`, 8] as const,
      [`${hint}.table`, 8] as const,
      [`${hint}.rest`, 480] as const,
    ]),
  ]);
};

/** Checksums made right again, as far as the records can be found. */
const mended = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length < recordsFrom) return bytes;
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  view.setUint32(4056, crc32c(changed.subarray(0, 4056)), true);
  for (const at of [4096, 4608]) {
    if (changed[at] !== 0) view.setUint32(at + 4, crc32c(changed.subarray(at + 8, at + 512)), true);
  }
  for (let from = recordsFrom; from + headBytes <= changed.length;) {
    const length = view.getUint32(from + 8, true);
    const end = from + headBytes + length;
    if (end + 4 > changed.length) break;
    view.setUint32(from + 20, crc32c(changed.subarray(from, from + 20)), true);
    const payload = changed.slice(from + headBytes, end);
    if (changed[from + 4] === 5) payload.fill(0, 48);
    view.setUint32(end, crc32c(payload), true);
    from += Math.ceil((headBytes + length + 4) / 8) * 8;
  }
  return changed;
};

/** A record taken out, exchanged with its neighbour, doubled, or brought from the earlier file. */
const changeRecords = (
  bytes: Uint8Array,
  earlier: Uint8Array,
  spans: readonly Span[],
  random: SeededRandom,
): { readonly field: string; readonly how: string; readonly bytes: Uint8Array } => {
  const at = random.below(spans.length - 1);
  const [one, two] = [spans[at] as Span, spans[at + 1] as Span];
  const piece = ({ from, to }: Span): Uint8Array => bytes.subarray(from, to);
  const [before, after] = [bytes.subarray(0, one.from), bytes.subarray(two.to)];
  const how = random.pick(["out", "exchanged", "doubled", "earlier", "rolled back"]);
  const field = `record.whole.${one.type}`;
  switch (how) {
    case "out":
      return { field, how, bytes: concatBytes(before, piece(two), after) };
    case "exchanged":
      return { field, how, bytes: concatBytes(before, piece(two), piece(one), after) };
    case "doubled":
      return { field, how, bytes: concatBytes(before, piece(one), piece(one), piece(two), after) };
    case "earlier":
      return { field, how, bytes: concatBytes(before, earlier.subarray(one.from)) };
    default:
      // Its end and its hints as they were before.
      return {
        field: "hint.0.commit",
        how,
        bytes: concatBytes(
          bytes.subarray(0, 4096),
          earlier.subarray(4096, recordsFrom),
          bytes.subarray(recordsFrom, random.chance(1, 2) ? earlier.length : one.from),
        ),
      };
  }
};

export class TamperedFiles {
  readonly #world: World;
  readonly #spans: readonly Span[];
  readonly #byField: ReadonlyMap<string, readonly Region[]>;
  readonly #names: readonly string[];
  #next = 0;

  constructor(world: World) {
    this.#world = world;
    this.#spans = recordsOf(world.file);
    const regions = [...superblockRegions(world.file), ...this.#spans.flatMap(recordRegions)];
    this.#byField = Map.groupBy(regions, ({ field }) => field);
    this.#names = [...this.#byField.keys()];
  }

  get fields(): ReadonlySet<string> {
    return new Set(this.#names);
  }

  change(random: SeededRandom): {
    readonly field: string;
    readonly how: string;
    readonly bytes: Uint8Array;
  } {
    const { file, earlier } = this.#world;
    const kind = random.below(10);
    if (kind === 0) return { field: "bytes", ...changeBytes(file, earlier, random) };
    if (kind === 1) return changeRecords(file, earlier, this.#spans, random);
    // One field after the other, so that none is left out.
    const field = this.#names[this.#next++ % this.#names.length] as string;
    const like = this.#byField.get(field) as readonly Region[];
    let { how, bytes } = changeRegion(file, random.pick(like), like, random);
    for (let again = 0; again < 16 && equalBytes(bytes, file); again++) {
      ({ how, bytes } = changeRegion(file, random.pick(like), like, random));
    }
    return random.chance(1, 2)
      ? { field, how, bytes }
      : { field, how: `${how}, checksums mended`, bytes: mended(bytes) };
  }

  /**
   * A file may be refused, or say that it is damaged; or be one whose root its owner does not know
   * (an earlier state); or open as what it was. Anything else was accepted.
   */
  async judge(bytes: Uint8Array, extent: "all" | undefined): Promise<Tried> {
    const { logRoot, texts } = this.#world;
    const opened = await openAs(bytes, extent);
    if (typeof opened === "string") return { fate: "refused", why: opened };
    if (!opened.isUntouched) return { fate: "accepted", why: "reading wrote to the file" };
    const isTrue = opened.texts.every(
      (text, id) => text === texts[id] || opened.refused.includes(text ?? "") || id === 9,
    );
    if (!isTrue) return { fate: "accepted", why: "a memory reads as another" };
    if (opened.damage !== undefined) return { fate: "refused", why: "it is damaged" };
    if (!equalBytes(opened.logRoot, logRoot)) return { fate: "refused", why: "another root" };
    if (opened.texts.length !== texts.length) return { fate: "accepted", why: "memories are gone" };
    return opened.refused.length > 0
      ? { fate: "refused", why: opened.refused[0] as string }
      : { fate: "equivalent", why: "it opens as it was" };
  }
}
