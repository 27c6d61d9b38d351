/** Reading parsed JSON of strangers: objects with known fields, texts of hex. */
import { fromHex } from "@ioi/base";

export type Fields = Readonly<Record<string, unknown>>;

/** The object, if it has no field besides `names`. */
export const objectOf = (value: unknown, names: readonly string[]): Fields | undefined =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.keys(value).every((name) => names.includes(name))
    ? (value as Fields)
    : undefined;

export const hexOf = (value: unknown): Uint8Array | undefined =>
  typeof value === "string" ? fromHex(value) : undefined;

/** A list of hashes; undefined where an element is not hex, or there are more than `max`. */
export const hexesOf = (value: unknown, max: number): readonly Uint8Array[] | undefined => {
  if (!Array.isArray(value) || value.length > max) return undefined;
  const bytes = value.map(hexOf);
  return bytes.every((each) => each !== undefined) ? bytes : undefined;
};
