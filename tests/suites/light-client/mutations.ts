/** Every field of a value, changed in every way that its kind allows. */
import type { SeededRandom } from "@ioi/base";

type Value = unknown;
export interface Mutation {
  /** Names of fields; `*` for any member of a list. */
  readonly field: string;
  readonly how: string;
  readonly value: Value;
}

const isRecord = (value: Value): value is Readonly<Record<string, Value>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array);

const flipped = (bytes: Uint8Array, at: number, bit: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
};

type Change = readonly [string, Value];

const bigs = (value: bigint): readonly Change[] =>
  [value + 1n, value - 1n, 0n, (1n << 64n) - 1n]
    .filter((each) => each !== value && each >= 0n && each < 1n << 64n)
    .map((each) => [`to ${each === 0n ? "zero" : each > value ? "more" : "less"}`, each] as const);

const lists = (list: readonly Value[]): readonly Change[] => [
  ["empty", []],
  ["one less", list.slice(1)],
  ["one twice", [...list, ...list.slice(-1)]],
  ["reversed", list.toReversed()],
];

/** Of the value itself; not of what it holds. */
const changes = (value: Value, random: SeededRandom): readonly Change[] => {
  if (typeof value === "bigint") return bigs(value);
  if (typeof value === "number")
    return [
      ["more", value + 1],
      ["less", Math.max(0, value - 1)],
    ];
  if (typeof value === "boolean") return [["other", !value]];
  if (typeof value === "string") return [["other", value === "a-dmft" ? "a-pmft" : "a-dmft"]];
  if (value instanceof Uint8Array) {
    return [
      ["a bit", flipped(value, random.below(value.length), random.below(8))],
      ["zeros", new Uint8Array(value.length)],
      ["shorter", value.subarray(1)],
    ];
  }
  return Array.isArray(value) ? lists(value as readonly Value[]) : [];
};

/** Lazily: each is made when it is asked for. */
export function* mutations(value: Value, random: SeededRandom, field = ""): Generator<Mutation> {
  for (const [how, changed] of changes(value, random)) yield { field, how, value: changed };
  if (Array.isArray(value)) {
    const list = value as readonly Value[];
    for (const [index, member] of list.entries()) {
      for (const each of mutations(member, random, `${field}.*`)) {
        yield { ...each, value: list.with(index, each.value) };
      }
    }
  } else if (isRecord(value)) {
    for (const [name, member] of Object.entries(value)) {
      if (member === undefined) continue;
      const inner = field === "" ? name : `${field}.${name}`;
      for (const each of mutations(member, random, inner)) {
        yield { ...each, value: { ...value, [name]: each.value } };
      }
    }
  }
}
