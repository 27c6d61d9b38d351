/**
 * Opens the private fields of the production engine, for exploring: a module hook that reads `#field` as
 * `_field` in the sources of consensus and of the collections that it keeps. Nothing else is changed, and
 * only modules that are loaded after this call, in this thread.
 *
 * `save` and `load` copy what an engine holds, whatever it is; only what is shared by all hosts of a world
 * and never written is left out. So a branch of an exploration begins where another one did.
 */
import { registerHooks } from "node:module";

const isOpened = (url: string): boolean =>
  url.includes("/packages/consensus/src/") || url.endsWith("/packages/base/src/collections.ts");

export const openEngines = (): void => {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!isOpened(url) || loaded.source === undefined || loaded.source === null) return loaded;
      const text =
        typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source);
      return { ...loaded, source: text.replaceAll(/#(?=[a-z])/gu, "_") };
    },
  });
};

export type Fields = Record<string, unknown>;

/** One for all hosts: they hold what never changes, or remember what is worked out again. */
const shared: ReadonlySet<string> = new Set(["Judge", "Schedule", "ValidatorSet", "MerkleTree"]);

const isPlain = (value: object): boolean => Object.getPrototypeOf(value) === Object.prototype;

const isMachine = (value: unknown): value is Fields =>
  typeof value === "object" &&
  value !== null &&
  !(value instanceof Map || value instanceof Set || value instanceof Uint8Array) &&
  !Array.isArray(value) &&
  !isPlain(value) &&
  !shared.has(value.constructor.name);

/** Messages and blocks are never written; what holds a map or a set is no message. */
const isWritten = (value: object): boolean =>
  Object.values(value).some((each) => each instanceof Map || each instanceof Set);

/** What a field holds; a machine in a collection is copied, one in a field stays and is saved by itself. */
const copied = (value: unknown): unknown => {
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, whole(each)]));
  if (value instanceof Set) return new Set(value);
  if (Array.isArray(value)) return [...(value as readonly unknown[])];
  if (typeof value !== "object" || value === null || !isPlain(value)) return value;
  return isWritten(value)
    ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copied(each)]))
    : value;
};

const whole = (value: unknown): unknown => {
  if (!isMachine(value)) return copied(value);
  const copy = Object.create(Object.getPrototypeOf(value) as object) as Fields;
  for (const [key, each] of Object.entries(value)) copy[key] = whole(each);
  return copy;
};

/** The machines that another one is made of, itself included. */
const partsOf = (machine: Fields, found: Set<Fields> = new Set()): ReadonlySet<Fields> => {
  if (found.has(machine)) return found;
  found.add(machine);
  for (const each of Object.values(machine)) if (isMachine(each)) partsOf(each, found);
  return found;
};

export type Saved = readonly (readonly [part: Fields, fields: Fields])[];

export const save = (engine: object): Saved =>
  [...partsOf(engine as Fields)].map((part) => [
    part,
    Object.fromEntries(Object.entries(part).map(([key, each]) => [key, copied(each)])),
  ]);

/** Into the parts that it was saved from. */
export const load = (saved: Saved): void => {
  for (const [part, fields] of saved) {
    for (const [key, value] of Object.entries(fields)) part[key] = copied(value);
  }
};
