/**
 * What is acted on in a page or window: an element or a point of a snapshot.
 *
 * An element is what a person would call it, its role and its accessible name, in the snapshot in
 * which the agent saw it, with the bounds that it had there; the driver looks again just before it
 * acts, and what is not the same any more is stale. White space of a name is one space, as
 * accessible names have it.
 */
import { err, ok, type Result } from "@ioi/base";
import type { CanonicalValue } from "@ioi/wire";
import { elementNameCharsMax, pixelMax } from "../limits.ts";
import { hasControls } from "../paths.ts";

export interface ElementValue {
  readonly snapshot: string;
  readonly role: string;
  readonly name: string;
  /** Left, top, width, height; absent where nobody measured. */
  readonly bounds?: readonly [number, number, number, number];
}

export interface PointValue {
  readonly snapshot: string;
  readonly x: number;
  readonly y: number;
}

const snapshotPattern = /^[a-z0-9]{1,64}$/;
const rolePattern = /^[a-z]{1,32}$/;

type Fields = { readonly [key: string]: unknown };

const fieldsOf = (given: unknown, allowed: readonly string[]): Fields | undefined =>
  typeof given === "object" &&
  given !== null &&
  !Array.isArray(given) &&
  !(given instanceof Uint8Array) &&
  Object.keys(given).every((key) => allowed.includes(key))
    ? (given as Fields)
    : undefined;

const own = (fields: Fields, key: string): unknown =>
  Object.hasOwn(fields, key) ? fields[key] : undefined;

const isPixel = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= pixelMax;

const boundsOf = (given: unknown): Result<ElementValue["bounds"], string> => {
  if (given === undefined) return ok(undefined);
  if (!Array.isArray(given) || given.length !== 4 || !given.every(isPixel)) {
    return err("its bounds are left, top, width, height in pixels");
  }
  return ok(given as unknown as [number, number, number, number]);
};

const canonicalName = (text: string): string =>
  text
    .normalize("NFC")
    .replaceAll(/[\s\u0085]+/gu, " ")
    .trim();

/** `-0` is no pixel of its own. */
const plainPixel = (value: number): number => value + 0;

export const canonicalElement = (given: unknown): Result<CanonicalValue, string> => {
  const fields = fieldsOf(given, ["snapshot", "role", "name", "bounds"]);
  if (fields === undefined) return err("it is { snapshot, role, name, bounds }");
  const [snapshot, role, name] = ["snapshot", "role", "name"].map((key) => own(fields, key));
  if (typeof snapshot !== "string" || !snapshotPattern.test(snapshot)) {
    return err("its snapshot is small letters and digits");
  }
  if (typeof role !== "string" || !rolePattern.test(role)) return err("its role is one word");
  if (typeof name !== "string" || !name.isWellFormed()) return err("its name is text");
  const text = canonicalName(name);
  if (text.length > elementNameCharsMax || hasControls(text)) {
    return err(`its name has at most ${elementNameCharsMax} characters, and no control characters`);
  }
  const bounds = boundsOf(own(fields, "bounds"));
  if (!bounds.ok) return bounds;
  const more = bounds.value === undefined ? {} : { bounds: bounds.value.map(plainPixel) };
  return ok({ snapshot, role, name: text, ...more });
};

export const readElement = (value: CanonicalValue): Result<ElementValue, string> => {
  const canonical = canonicalElement(value);
  if (!canonical.ok) return canonical;
  const element = canonical.value as unknown as ElementValue;
  const same = element.name === (value as unknown as ElementValue).name;
  return same ? ok(element) : err("its name is not canonical");
};

export const canonicalPoint = (given: unknown): Result<CanonicalValue, string> => {
  const fields = fieldsOf(given, ["snapshot", "x", "y"]);
  if (fields === undefined) return err("it is { snapshot, x, y }");
  const [snapshot, x, y] = ["snapshot", "x", "y"].map((key) => own(fields, key));
  if (typeof snapshot !== "string" || !snapshotPattern.test(snapshot)) {
    return err("its snapshot is small letters and digits");
  }
  if (!isPixel(x) || !isPixel(y)) return err(`its x and y are pixels up to ${pixelMax}`);
  return ok({ snapshot, x: plainPixel(x), y: plainPixel(y) });
};

export const readPoint = (value: CanonicalValue): Result<PointValue, string> => {
  const point = canonicalPoint(value);
  return point.ok ? ok(point.value as unknown as PointValue) : point;
};
