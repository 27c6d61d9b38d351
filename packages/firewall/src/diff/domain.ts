/**
 * Which literals of one argument can hold together, and a value for which they do.
 *
 * "No" is sound: no action at all has such a value. What is not worked out counts as possible.
 * Assumed: paths below two roots of different names are independent of each other, and folders of
 * a session that share the name `scope` do not lie in each other.
 */
import type { PathPattern } from "../glob.ts";
import { contentBytesMax, diffTriesMax } from "../limits.ts";
import { foldCase } from "../paths.ts";
import type { RootTable } from "../roots.ts";
import { type ArgumentSpec, takesWhole, type TargetSpec } from "../targets.ts";
import { argvPossible, argvValues } from "./argv.ts";
import type { Leaf } from "./formula.ts";
import { findWord, type Machine, pathMachine, type Work } from "./machine.ts";
import { kindPossible } from "./kinds.ts";
import { textPossible } from "./text.ts";
import { urlPossible } from "./url.ts";
import { fits, type Possible, type Wanted } from "./wanted.ts";

const sure: Possible = { possible: true };
const never: Possible = { possible: false };

type PathLeaf = Leaf & { readonly type: "path" };
const isPathWanted = (
  wanted: Wanted,
): wanted is Wanted & { readonly atom: { readonly leaf: PathLeaf } } =>
  wanted.atom.leaf.type === "path";

type PathWanted = Wanted & { readonly atom: { readonly leaf: PathLeaf } };

const machines = new WeakMap<PathLeaf, Map<string, Machine>>();

/** The machine of a leaf below one root; undefined where it speaks of other roots only. */
const machineOf = (
  { leaf, narrow }: { readonly leaf: PathLeaf; readonly narrow: boolean },
  root: string,
  insensitive: boolean,
): Machine | undefined => {
  const patterns = leaf.patterns.filter((pattern: PathPattern) => pattern.root === root);
  if (patterns.length === 0) return undefined;
  const known = machines.get(leaf) ?? new Map<string, Machine>();
  machines.set(leaf, known);
  const key = `${root} ${narrow} ${insensitive}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = pathMachine(patterns, {
    folded: insensitive || leaf.nocase,
    // A mount that folds case is walked in folded letters; else one leaf may fold, another not.
    folds: leaf.nocase && !insensitive,
    narrow,
  });
  known.set(key, made);
  return made;
};

/** First names that a leaf needs below a root; undefined where it takes any. */
const headsOf = (
  leaf: PathLeaf,
  root: string,
  insensitive: boolean,
): ReadonlySet<string> | undefined => {
  const heads = new Set<string>();
  for (const { alternatives } of leaf.patterns.filter((pattern) => pattern.root === root)) {
    for (const { head, foldedHead } of alternatives) {
      // Letters are compared folded, which is never too narrow.
      const name = insensitive || leaf.nocase ? foldedHead : head;
      if (name === undefined) return undefined;
      heads.add(foldCase(name));
    }
  }
  return heads;
};

const meet = (one: ReadonlySet<string> | undefined, two: ReadonlySet<string> | undefined) =>
  one === undefined || two === undefined || !one.isDisjointFrom(two);

/** The first names that a place inside all of these has; undefined where it may have any. */
const commonHeads = (
  atoms: readonly PathWanted["atom"][],
  root: string,
  insensitive: boolean,
): ReadonlySet<string> | undefined => {
  let common: ReadonlySet<string> | undefined;
  for (const { leaf } of atoms) {
    const heads = headsOf(leaf, root, insensitive);
    if (heads === undefined) continue;
    common = common === undefined ? heads : common.intersection(heads);
  }
  return common;
};

const rootsOf = (leaf: PathLeaf): readonly string[] => [
  ...new Set(leaf.patterns.map(({ root }) => root)),
];

interface Asked {
  readonly inside: readonly PathWanted["atom"][];
  readonly outside: readonly PathWanted["atom"][];
}

const outsideIn = (
  asked: Asked,
  root: string,
  insensitive: boolean,
  heads: ReadonlySet<string> | undefined,
): readonly Machine[] =>
  asked.outside
    .filter(({ leaf }) => meet(headsOf(leaf, root, insensitive), heads))
    .map((atom) => machineOf(atom, root, insensitive))
    .filter((machine) => machine !== undefined);

/** Some place is inside all of these and outside all of those, wherever the roots lie. */
const somewhere = (asked: Asked, work: Work): boolean => {
  if (asked.inside.length === 0) return true;
  const choices = asked.inside.map(({ leaf }) => rootsOf(leaf));
  const count = choices.reduce((product, { length }) => product * length, 1);
  if (count > diffTriesMax) return true;
  for (const insensitive of [false, true]) {
    for (let number = 0; number < count; number++) {
      let rest = number;
      const byRoot = new Map<string, PathWanted["atom"][]>();
      for (const [at, atom] of asked.inside.entries()) {
        const roots = choices[at] ?? [];
        const root = roots[rest % roots.length] ?? "";
        rest = Math.floor(rest / roots.length);
        byRoot.set(root, [...(byRoot.get(root) ?? []), atom]);
      }
      const fits = [...byRoot].every(([root, atoms]) => {
        const heads = commonHeads(atoms, root, insensitive);
        if (heads?.size === 0) return false;
        const inside = atoms
          .map((atom) => machineOf(atom, root, insensitive))
          .filter((machine) => machine !== undefined);
        return (
          findWord(inside, outsideIn(asked, root, insensitive, heads), true, work).type !== "none"
        );
      });
      if (fits) return true;
    }
  }
  return false;
};

const placeIn = (asked: Asked, table: RootTable, work: Work): string | undefined => {
  const order = ["scope", ...table.roots.map(({ name }) => name)];
  for (const name of new Set(order)) {
    const root = table.roots.find((each) => each.name === name);
    const inside = asked.inside.map((atom) => machineOf(atom, name, false));
    if (root === undefined || inside.some((machine) => machine === undefined)) continue;
    const heads = commonHeads(asked.inside, name, false);
    if (heads?.size === 0) continue;
    const found = findWord(
      inside.filter((machine) => machine !== undefined),
      outsideIn(asked, name, false, heads),
      true,
      work,
    );
    if (found.type !== "word") continue;
    const word = found.word.endsWith("/") ? found.word.slice(0, -1) : found.word;
    const path = word === "" ? root.path : `${root.path}/${word}`;
    if (path === path.normalize("NFC")) return path;
  }
  return undefined;
};

const pathPossible = (
  target: TargetSpec,
  spec: ArgumentSpec,
  wanted: readonly PathWanted[],
  table: RootTable,
  work: Work,
): Possible => {
  const pick = (narrow: boolean, holds: boolean): readonly PathWanted["atom"][] =>
    wanted
      .filter((each) => each.atom.narrow === narrow && each.holds === holds)
      .map(({ atom }) => atom);
  const [isTrue, isNot] = [pick(true, true), pick(true, false)];
  const [mayBe, isFalse] = [pick(false, true), pick(false, false)];
  const many = spec.type === "paths";
  // Each of these places must exist; what nobody looked at would make every broad one hold.
  const needed: (readonly PathWanted["atom"][])[] = [];
  if (isTrue.length > 0) needed.push(isTrue);
  const looked = isTrue.length > 0 || isFalse.length > 0;
  const whole = takesWhole(target.name) && spec.name === "path";
  if (looked && !whole) for (const each of mayBe) needed.push(many ? [...isTrue, each] : [each]);
  for (const inside of needed) {
    const single = !many && inside === isTrue;
    const outside = single ? [...isNot, ...isFalse] : isFalse;
    if (!somewhere({ inside, outside }, work)) return never;
  }
  if (many && isTrue.length > 0) {
    for (const each of isNot) {
      if (!somewhere({ inside: isTrue, outside: [each, ...isFalse] }, work)) return never;
    }
  }
  const path = placeIn(
    { inside: [...isTrue, ...mayBe], outside: [...isNot, ...isFalse] },
    table,
    work,
  );
  if (path === undefined) return sure;
  return { possible: true, value: many ? [path] : path };
};

/** Every value at which some condition changes its mind, and its neighbours. */
const numbersOf = (wanted: readonly Wanted[], min: number, max: number): readonly number[] => {
  const points = new Set<number>([min, max]);
  for (const { atom } of wanted) {
    const { leaf } = atom;
    const edges =
      leaf.type === "integer"
        ? [leaf.min, leaf.max, ...(leaf.values ?? [])]
        : leaf.type === "bytes"
          ? [leaf.max]
          : [];
    for (const edge of edges) for (const each of [edge - 1, edge, edge + 1]) points.add(each);
  }
  return [...points].filter((point) => point >= min && point <= max).toSorted((a, b) => a - b);
};

/** Whether the literals of one argument that is there can hold together. */
export const possible = (
  target: TargetSpec,
  spec: ArgumentSpec,
  wanted: readonly Wanted[],
  table: RootTable,
  work: Work,
): Possible => {
  switch (spec.type) {
    case "path":
    case "paths":
      return pathPossible(target, spec, wanted.filter(isPathWanted), table, work);
    case "integer": {
      const found = numbersOf(wanted, spec.min, spec.max).find((value) =>
        fits(wanted, { type: "integer", value }, table),
      );
      return found === undefined ? never : { possible: true, value: found };
    }
    case "content": {
      // What content holds is nobody's to say before it is there.
      if (wanted.some(({ atom }) => atom.leaf.type === "content")) return sure;
      const bytes = numbersOf(wanted, 0, contentBytesMax).find((each) =>
        fits(wanted, { type: "content", bytes: each }, table),
      );
      if (bytes === undefined) return never;
      return {
        possible: true,
        value: { sha256: new Uint8Array(32), length: bytes, head: "" },
      };
    }
    case "text": {
      const found = textPossible(spec, wanted, work);
      if (found.type === "none") return never;
      return found.type === "word" ? { possible: true, value: found.word } : sure;
    }
    case "url": {
      const found = urlPossible(wanted, work);
      if (found.type === "none") return never;
      return found.type === "word" ? { possible: true, value: found.word } : sure;
    }
    case "argv": {
      if (!argvPossible(wanted)) return never;
      const found = argvValues(wanted, work).find((argv) =>
        fits(wanted, { type: "argv", argv, program: argv[0], implied: false }, table),
      );
      return found === undefined ? sure : { possible: true, value: found };
    }
    case "headers":
    case "json":
      return { possible: true, value: {} };
    case "host":
    case "emails":
    case "amount":
    case "account":
    case "element":
    case "point":
    case "bytes":
      return kindPossible(spec, wanted, table, work);
  }
};
