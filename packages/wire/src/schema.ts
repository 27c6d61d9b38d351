/**
 * Schemas over the canonical codec: one definition gives the type, the encoder, the strict decoder
 * and a generator of examples (for conformance hashes).
 *
 * A decoder refuses unknown fields, missing fields and values out of range. An optional field that
 * is absent is absent from the encoding.
 */
import { err, ok, type Result } from "@ioi/base";
import {
  type CanonicalError,
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
} from "./canonical.ts";

export interface Schema<T> {
  readonly optional?: true;
  toCanonical(value: T): CanonicalValue;
  /** Returns the value, or a path-prefixed complaint. */
  fromCanonical(value: CanonicalValue, path: string): Result<T, string>;
  /** A value made from `next(bound)`, which returns an integer in [0, bound). */
  example(next: (bound: number) => number): T;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

const complain = (path: string, what: string): Result<never, string> => err(`${path}: ${what}`);

export const text = (charsMax = 65_536): Schema<string> => ({
  toCanonical: (value) => value,
  fromCanonical: (value, path) =>
    typeof value === "string" && value.length <= charsMax
      ? ok(value)
      : complain(path, `expected text of at most ${charsMax} characters`),
  example: (next) =>
    Array.from({ length: next(12) }, () =>
      String.fromCodePoint([97 + next(26), 0xe9, 0x4e2d, 0x1f600][next(4)] as number),
    ).join(""),
});

export const oneOf = <const V extends readonly string[]>(...values: V): Schema<V[number]> => ({
  toCanonical: (value) => value,
  fromCanonical: (value, path) =>
    typeof value === "string" && values.includes(value)
      ? ok(value)
      : complain(path, `expected one of ${values.join(", ")}`),
  example: (next) => values[next(values.length)] as V[number],
});

/** Byte strings of exactly `length`, or of at most `bytesMax` where no length is given. */
export const bytes = (length?: number, bytesMax = 1_048_576): Schema<Uint8Array> => ({
  toCanonical: (value) => value,
  fromCanonical: (value, path) =>
    value instanceof Uint8Array &&
    (length === undefined ? value.length <= bytesMax : value.length === length)
      ? ok(value)
      : complain(path, `expected ${length ?? `at most ${bytesMax}`} bytes`),
  example: (next) => Uint8Array.from({ length: length ?? next(40) }, () => next(256)),
});

export const bool: Schema<boolean> = {
  toCanonical: (value) => value,
  fromCanonical: (value, path) =>
    typeof value === "boolean" ? ok(value) : complain(path, "expected true or false"),
  example: (next) => next(2) === 1,
};

/** Safe integers from `min` to `max`. */
export const int = (min = 0, max = Number.MAX_SAFE_INTEGER): Schema<number> => ({
  toCanonical: (value) => value,
  fromCanonical: (value, path) =>
    typeof value === "number" && value >= min && value <= max
      ? ok(value)
      : complain(path, `expected an integer from ${min} to ${max}`),
  example: (next) => Math.min(max, min + next(1 << 30)),
});

export const u64: Schema<bigint> = {
  toCanonical: (value) => value,
  fromCanonical: (value, path) =>
    (typeof value === "number" || typeof value === "bigint") && value >= 0
      ? ok(BigInt(value))
      : complain(path, "expected an unsigned 64-bit integer"),
  example: (next) => (BigInt(next(1 << 30)) << 33n) | BigInt(next(1 << 30)),
};

export const array = <T>(item: Schema<T>, itemsMax = 65_536): Schema<readonly T[]> => ({
  toCanonical: (value) => value.map((each) => item.toCanonical(each)),
  fromCanonical: (value, path) => {
    if (!Array.isArray(value) || value.length > itemsMax) {
      return complain(path, `expected an array of at most ${itemsMax}`);
    }
    const items: T[] = [];
    for (const [index, each] of (value as readonly CanonicalValue[]).entries()) {
      const decoded = item.fromCanonical(each, `${path}[${index}]`);
      if (!decoded.ok) return decoded;
      items.push(decoded.value);
    }
    return ok(items);
  },
  example: (next) => Array.from({ length: next(4) }, () => item.example(next)),
});

/** Maps with arbitrary text keys; the value's keys keep the canonical order. */
export const mapOf = <T>(
  item: Schema<T>,
  entriesMax = 1024,
): Schema<{ readonly [key: string]: T }> => ({
  toCanonical: (value) =>
    Object.fromEntries(Object.entries(value).map(([key, each]) => [key, item.toCanonical(each)])),
  fromCanonical: (value, path) => {
    const fields = fieldsOf(value);
    if (fields === undefined) return complain(path, "expected a map");
    if (fields.length > entriesMax) return complain(path, `more than ${entriesMax} entries`);
    const map: Record<string, T> = Object.create(null) as Record<string, T>;
    for (const [key, each] of fields) {
      const decoded = item.fromCanonical(each, `${path}.${key}`);
      if (!decoded.ok) return decoded;
      map[key] = decoded.value;
    }
    return ok(map);
  },
  example: (next) =>
    Object.fromEntries(
      Array.from({ length: next(4) }, (_, i) => [`k${i}`, item.example(next)] as const),
    ),
});

/** Any canonical value, unchecked but for the codec's own bounds. */
export const anything: Schema<CanonicalValue> = {
  toCanonical: (value) => value,
  fromCanonical: (value) => ok(value),
  example: (next) =>
    [null, next(2) === 1, next(1 << 20), `t${next(99)}`][next(4)] as CanonicalValue,
};

export const optional = <T>(
  schema: Schema<T>,
): Schema<T | undefined> & { readonly optional: true } => ({
  optional: true,
  toCanonical: (value) => schema.toCanonical(value as T),
  fromCanonical: (value, path) => schema.fromCanonical(value, path),
  example: (next) => (next(2) === 0 ? undefined : schema.example(next)),
});

type Fields = { readonly [key: string]: Schema<unknown> };
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly optional: true } ? K : never;
}[keyof F];
export type RecordOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]>;
} & { readonly [K in OptionalKeys<F>]?: Exclude<Infer<F[K]>, undefined> };

const fieldsOf = (value: CanonicalValue): [string, CanonicalValue][] | undefined =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array)
    ? Object.entries(value as { readonly [key: string]: CanonicalValue })
    : undefined;

export const record = <F extends Fields>(fields: F): Schema<RecordOf<F>> => ({
  toCanonical: (value) => {
    const map: Record<string, CanonicalValue> = {};
    for (const [key, schema] of Object.entries(fields)) {
      const field = (value as Readonly<Record<string, unknown>>)[key];
      if (field !== undefined) map[key] = schema.toCanonical(field);
    }
    return map;
  },
  fromCanonical: (value, path) => {
    const given = fieldsOf(value);
    if (given === undefined) return complain(path, "expected a map");
    const record: Record<string, unknown> = {};
    for (const [key, each] of given) {
      const schema = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (schema === undefined) return complain(path, `unknown field ${key}`);
      const decoded = schema.fromCanonical(each, `${path}.${key}`);
      if (!decoded.ok) return decoded;
      record[key] = decoded.value;
    }
    for (const [key, schema] of Object.entries(fields)) {
      if (schema.optional !== true && !Object.hasOwn(record, key)) {
        return complain(path, `missing field ${key}`);
      }
    }
    return ok(record as RecordOf<F>);
  },
  example: (next) => {
    const record: Record<string, unknown> = {};
    for (const [key, schema] of Object.entries(fields)) {
      const value = schema.example(next);
      if (value !== undefined) record[key] = value;
    }
    return record as RecordOf<F>;
  },
});

type Variants = { readonly [type: string]: Fields };
export type UnionOf<V extends Variants> = {
  [K in keyof V]: { readonly type: K } & RecordOf<V[K]>;
}[keyof V];

/** A discriminated union on `type`. */
export const union = <V extends Variants>(variants: V): Schema<UnionOf<V>> => {
  const schemas = new Map(
    Object.entries(variants).map(
      ([type, fields]) => [type, record({ ...fields, type: oneOf(type) })] as const,
    ),
  );
  const types = [...schemas.keys()];
  return {
    toCanonical: (value) => {
      const schema = schemas.get(value.type as string) as Schema<unknown>;
      return schema.toCanonical(value);
    },
    fromCanonical: (value, path) => {
      const type = fieldsOf(value)?.find(([key]) => key === "type")?.[1];
      const schema = typeof type === "string" ? schemas.get(type) : undefined;
      if (schema === undefined)
        return complain(path, `expected type to be one of ${types.join(", ")}`);
      return schema.fromCanonical(value, path) as Result<UnionOf<V>, string>;
    },
    example: (next) =>
      (schemas.get(types[next(types.length)] as string) as Schema<unknown>).example(
        next,
      ) as UnionOf<V>,
  };
};

export const encode = <T>(schema: Schema<T>, value: T): Uint8Array =>
  encodeCanonical(schema.toCanonical(value));

export const decode = <T>(schema: Schema<T>, encoded: Uint8Array): Result<T, CanonicalError> => {
  const value = decodeCanonical(encoded);
  if (!value.ok) return value;
  const decoded = schema.fromCanonical(value.value, "$");
  return decoded.ok ? decoded : err({ code: "E_CANONICAL_INVALID", message: decoded.error });
};
