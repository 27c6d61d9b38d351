/**
 * The kinds of their own folder for a comparison. Numbers and pixels are tried at every edge of a
 * condition, which is exact; hosts as URLs are; of texts with a shape of their own "no" is sound,
 * and a value is offered where a condition names one.
 */
import { toHex, utf8Encode } from "@ioi/base";
import type { CanonicalValue } from "@ioi/wire";
import { amountText, readAccount, scaledAmount } from "../kinds/money.ts";
import { readEmails } from "../kinds/names.ts";
import { pixelMax } from "../limits.ts";
import type { RootTable } from "../roots.ts";
import type { ArgumentSpec } from "../targets.ts";
import type { ArgumentValue, TextTest } from "../values.ts";
import type { Work } from "./machine.ts";
import { textPossible } from "./text.ts";
import { urlPossible } from "./url.ts";
import { fits, type Possible, type Wanted } from "./wanted.ts";

interface Tried {
  readonly value: CanonicalValue;
  readonly read: ArgumentValue;
}

const first = (
  tried: readonly Tried[],
  wanted: readonly Wanted[],
  table: RootTable,
): CanonicalValue | undefined => tried.find(({ read }) => fits(wanted, read, table))?.value;

const settled = (value: CanonicalValue | undefined, otherwise: boolean): Possible =>
  value === undefined ? { possible: otherwise } : { possible: true, value };

const amountsOf = (wanted: readonly Wanted[]): readonly Tried[] => {
  const points = new Set<bigint>([0n, scaledAmount("1")]);
  for (const { atom } of wanted) {
    if (atom.leaf.type !== "amount") continue;
    const { min, max, values } = atom.leaf;
    for (const edge of [min, max, ...(values ?? [])]) {
      if (edge === undefined) continue;
      for (const each of [edge - 1n, edge, edge + 1n]) if (each >= 0n) points.add(each);
    }
  }
  return [...points].map((scaled) => ({
    value: amountText(scaled),
    read: { type: "amount", scaled },
  }));
};

const pointsOf = (wanted: readonly Wanted[]): readonly Tried[] => {
  const [xs, ys] = [new Set([0]), new Set([0])];
  for (const { atom } of wanted) {
    if (atom.leaf.type !== "within") continue;
    const { x, y, width, height } = atom.leaf;
    for (const each of [x - 1, x, x + width]) xs.add(each);
    for (const each of [y - 1, y, y + height]) ys.add(each);
  }
  const inside = (all: ReadonlySet<number>): readonly number[] =>
    [...all].filter((each) => each >= 0 && each <= pixelMax);
  return inside(xs).flatMap((x) =>
    inside(ys).map((y): Tried => {
      const point = { snapshot: "s1", x, y };
      return { value: point, read: { type: "point", point } };
    }),
  );
};

const testOf = ({ atom: { leaf } }: Wanted): TextTest | undefined =>
  leaf.type === "text" || leaf.type === "element" ? leaf.test : undefined;

/** Texts that conditions name, with ordinary ones of the kind. */
const textsOf = (wanted: readonly Wanted[], usual: readonly string[]): readonly string[] => {
  const named = wanted.flatMap((each): readonly string[] => {
    const test = testOf(each);
    if (test?.type === "one-of") return [...test.values];
    if (test?.type === "suffix") return [`someone${test.text}`, `someone@mail${test.text}`];
    return test?.type === "prefix" ? [test.text, `${test.text}1:1`] : [];
  });
  return [...new Set([...named, ...usual])];
};

const elementsOf = (wanted: readonly Wanted[]): readonly Tried[] => {
  const part = (name: "role" | "name", usual: string): readonly string[] =>
    textsOf(
      wanted.filter(({ atom: { leaf } }) => leaf.type === "element" && leaf.part === name),
      [usual],
    );
  const roles = part("role", "button").filter((role) => /^[a-z]{1,32}$/.test(role));
  return roles.flatMap((role) =>
    part("name", "OK").map((name): Tried => {
      const element = { snapshot: "s1", role, name };
      return { value: element, read: { type: "element", element } };
    }),
  );
};

/** Literals of one text alone: where no text has them all, no account has. */
const oneText = (wanted: readonly Wanted[], work: Work): boolean =>
  textPossible({ name: "", type: "text", role: "flag", charsMax: 4096, what: "" }, wanted, work)
    .type !== "none";

const hostPossible = (wanted: readonly Wanted[], work: Work): Possible => {
  const found = urlPossible(wanted, work);
  if (found.type === "none") return { possible: false };
  if (found.type !== "word") return { possible: true };
  const host = /^https?:\/\/(?:\[([^\]]+)\]|([^/:]+))/.exec(found.word);
  return settled(host?.[1] ?? host?.[2], true);
};

/** Whether the literals of one argument of such a kind can hold together. */
export const kindPossible = (
  spec: ArgumentSpec,
  wanted: readonly Wanted[],
  table: RootTable,
  work: Work,
): Possible => {
  switch (spec.type) {
    case "host":
      return hostPossible(wanted, work);
    case "amount":
      return settled(first(amountsOf(wanted), wanted, table), false);
    case "point":
      return settled(first(pointsOf(wanted), wanted, table), false);
    case "element":
      return settled(first(elementsOf(wanted), wanted, table), true);
    case "emails": {
      const emails = textsOf(wanted, ["someone@other.example"]).filter(
        (text) => readEmails([text]).ok,
      );
      const lists = [...emails.map((each) => [each]), emails];
      const tried = lists.map((items): Tried => ({ value: items, read: { type: "texts", items } }));
      return settled(first(tried, wanted, table), true);
    }
    case "account": {
      if (!oneText(wanted, work)) return { possible: false };
      const usual = `eip155:1:0x${toHex(utf8Encode("other.example".padEnd(20, ".")))}`;
      const tried = textsOf(wanted, [usual])
        .filter((text) => readAccount(text).ok)
        .map((text): Tried => ({ value: text, read: { type: "text", text } }));
      return settled(first(tried, wanted, table), true);
    }
    default:
      return { possible: true };
  }
};
