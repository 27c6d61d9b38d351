/**
 * Mutations of proofs of recall that keep them whole documents: fields changed, exchanged, left out,
 * taken from another proof; entries doubled, dropped, turned round; the proof over the index within.
 */
import type { SeededRandom } from "@ioi/base";
import { schema } from "@ioi/wire";
import { changeRegion, type Region } from "./bytes.ts";
import { certificateRegions, indexProofRegions } from "./index-proof.ts";

type Value = schema.Infer<typeof schema.anything>;
type Fields = Readonly<Record<string, Value>>;
type Path = readonly (string | number)[];

const isFields = (value: Value): value is Fields =>
  typeof value === "object" &&
  value !== null &&
  !(value instanceof Uint8Array) &&
  !Array.isArray(value);

export const decodeDocument = (bytes: Uint8Array): Value => {
  const decoded = schema.decode(schema.anything, bytes);
  if (!decoded.ok) throw new Error(decoded.error.message);
  return decoded.value;
};

/** Paths of all fields, the document itself left out; those of a commit's body within. */
const pathsOf = (value: Value, at: Path = []): readonly Path[] => {
  const here = at.length === 0 ? [] : [at];
  if (Array.isArray(value)) {
    return [...here, ...value.flatMap((each: Value, i) => pathsOf(each, [...at, i]))];
  }
  return isFields(value)
    ? [...here, ...Object.entries(value).flatMap(([key, each]) => pathsOf(each, [...at, key]))]
    : here;
};

/** Without numbers of entries: what a field is called. */
export const fieldName = (path: Path): string =>
  path.map((part) => (typeof part === "number" ? "[]" : part)).join(".");

const valueAt = (value: Value, [first, ...rest]: Path): Value =>
  first === undefined
    ? value
    : valueAt((value as Readonly<Record<string | number, Value>>)[first] as Value, rest);

/** The same with one value changed, or left out. */
const withValue = (value: Value, [first, ...rest]: Path, change: Value | undefined): Value => {
  if (first === undefined) return change as Value;
  if (Array.isArray(value)) {
    const list = value as readonly Value[];
    return list.flatMap((each, i) => {
      if (i !== first) return [each];
      if (rest.length > 0) return [withValue(each, rest, change)];
      return change === undefined ? [] : [change];
    });
  }
  const fields = Object.entries(value as Fields).flatMap(([key, each]): [string, Value][] => {
    if (key !== first) return [[key, each]];
    if (rest.length > 0) return [[key, withValue(each, rest, change)]];
    return change === undefined ? [] : [[key, change]];
  });
  return Object.fromEntries(fields);
};

/** A value of the same type that is another one. */
const changedValue = (value: Value, random: SeededRandom): Value => {
  if (value instanceof Uint8Array) {
    const whole: Region = { field: "", from: 0, to: value.length };
    return value.length === 0
      ? Uint8Array.of(0)
      : changeRegion(value, whole, [whole], random).bytes;
  }
  if (typeof value === "number") return random.chance(1, 2) ? value + 1 : value - 1;
  if (typeof value === "string") return random.chance(1, 2) ? `${value} ` : value.slice(1);
  if (Array.isArray(value)) return changedList(value as readonly Value[], random);
  if (isFields(value)) {
    const keys = Object.keys(value);
    const key = random.pick(keys);
    return random.chance(1, 2)
      ? { ...value, [`${key}x`]: value[key] as Value }
      : Object.fromEntries(Object.entries(value).map(([k, v]) => [k === key ? `${k}x` : k, v]));
  }
  return value;
};

const changedList = (list: readonly Value[], random: SeededRandom): Value => {
  const at = random.below(Math.max(1, list.length));
  const some = list.slice(at, at + 1);
  switch (random.pick(["drop", "double", "turn", "exchange", "empty"])) {
    case "drop":
      return list.toSpliced(at, 1);
    case "double":
      return [...list.slice(0, at), ...some, ...list.slice(at)];
    case "turn":
      return list.toReversed();
    case "exchange":
      return [...some, ...list.toSpliced(at, 1)];
    default:
      return [];
  }
};

/** What a document itself says the root of its log is; undefined where it says nothing. */
export const ownLogRoot = (bytes: Uint8Array): Uint8Array | undefined => {
  const read = (encoded: Value | undefined, name: string): Value | undefined => {
    if (!(encoded instanceof Uint8Array)) return undefined;
    const decoded = schema.decode(schema.anything, encoded);
    return decoded.ok && isFields(decoded.value) ? decoded.value[name] : undefined;
  };
  const root = read(read(bytes, "commit"), "logRoot");
  return root instanceof Uint8Array ? root : undefined;
};

export interface Changed {
  readonly field: string;
  readonly how: string;
  readonly bytes: Uint8Array;
}

/** Bytes within a document that have fields of their own. */
interface Part {
  readonly path: Path;
  readonly bytes: Uint8Array;
  readonly byField: ReadonlyMap<string, readonly Region[]>;
}

const partOf = (path: Path, bytes: Uint8Array, regions: readonly Region[]): Part => ({
  path,
  bytes,
  byField: Map.groupBy(regions, ({ field }) => field),
});

/** The proof of the search, and the certificate that none is nearer where there is one. */
const partsOf = (document: Value): readonly Part[] => {
  const [path, beside]: [Path, Path] = [
    ["search", "proof"],
    ["search", "nearest", "certificate"],
  ];
  const proof = valueAt(document, path) as Uint8Array;
  const dimension = valueAt(document, ["search", "parameters", "dimension"]) as number;
  const parts = [partOf(path, proof, indexProofRegions(proof, dimension))];
  const hasMore = (valueAt(document, ["search"]) as Fields)["nearest"] !== undefined;
  if (!hasMore) return parts;
  const nodes = Number(Buffer.from(proof.buffer, proof.byteOffset).readBigUInt64LE(1));
  const certificate = valueAt(document, beside) as Uint8Array;
  const regions = certificateRegions(certificate, nodes, dimension);
  return [...parts, partOf(beside, certificate, regions)];
};

export class Document {
  readonly bytes: Uint8Array;
  readonly #value: Value;
  readonly #paths: readonly Path[];
  readonly #commit: Value;
  readonly #parts: readonly Part[];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#value = decodeDocument(bytes);
    this.#paths = pathsOf(this.#value);
    this.#commit = decodeDocument(valueAt(this.#value, ["commit"]) as Uint8Array);
    this.#parts = partsOf(this.#value);
  }

  /** Every field that there is to reach. */
  get fields(): ReadonlySet<string> {
    const commit = pathsOf(this.#commit).map((path) => `commit.${fieldName(path)}`);
    const within = this.#parts.flatMap(({ byField }) => [...byField.keys()]);
    return new Set([...this.#paths.map(fieldName), ...commit, ...within]);
  }

  change(other: Document, random: SeededRandom): Changed {
    const kind = random.below(10);
    if (kind < 4) return this.#changePart(random);
    if (kind < 5) return this.#changeCommit(random);
    const path = random.pick(this.#paths);
    const field = fieldName(path);
    const encode = (value: Value): Uint8Array => schema.encode(schema.anything, value);
    if (kind < 6) {
      return { field, how: "left out", bytes: encode(withValue(this.#value, path, undefined)) };
    }
    if (kind < 8) {
      const alike = other.#paths.filter((each) => fieldName(each) === field);
      const from = random.pick(alike.length === 0 ? other.#paths : alike);
      const value = withValue(this.#value, path, valueAt(other.#value, from));
      return { field, how: "of another proof", bytes: encode(value) };
    }
    const value = changedValue(valueAt(this.#value, path), random);
    return { field, how: "changed", bytes: encode(withValue(this.#value, path, value)) };
  }

  #changePart(random: SeededRandom): Changed {
    const part = random.pick(this.#parts);
    const field = random.pick([...part.byField.keys()]);
    const like = part.byField.get(field) as readonly Region[];
    const { how, bytes } = changeRegion(part.bytes, random.pick(like), like, random);
    const value = withValue(this.#value, part.path, bytes);
    return { field, how, bytes: schema.encode(schema.anything, value) };
  }

  #changeCommit(random: SeededRandom): Changed {
    const path = random.pick(pathsOf(this.#commit));
    const changed = random.chance(1, 4)
      ? withValue(this.#commit, path, undefined)
      : withValue(this.#commit, path, changedValue(valueAt(this.#commit, path), random));
    const commit = schema.encode(schema.anything, changed);
    const value = withValue(this.#value, ["commit"], commit);
    const field = `commit.${fieldName(path)}`;
    return { field, how: "changed", bytes: schema.encode(schema.anything, value) };
  }
}
