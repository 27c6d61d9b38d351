/**
 * What retrieval is measured on: JSON lines of `{id, text}` and `{query, relevant[]}`, in one file or in
 * the files of a folder, each a set of its own; or sets made from a seed.
 *
 * A made set: every text is about one of many things, in inflected words of its thing among words that
 * say nothing of it; a question asks with other inflections of some of them. What is relevant is what
 * is about the thing. Words are made of syllables, so no stemmer was written for them.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { OperationError, type SeededRandom } from "@ioi/base";

export interface RetrievalSet {
  readonly name: string;
  readonly texts: readonly { readonly id: string; readonly text: string }[];
  readonly queries: readonly { readonly query: string; readonly relevant: ReadonlySet<string> }[];
}

export interface ReadSets {
  readonly sets: readonly RetrievalSet[];
  readonly data: readonly { readonly path: string; readonly sha256: string }[];
}

const fileBytesMax = 512 * 1024 * 1024;

const isName = (value: unknown): value is string | number =>
  typeof value === "string" || typeof value === "number";

const unfit = (message: string): OperationError => new OperationError("E_CLI_USAGE", message);

/** Of a line that is no JSON object, nothing. */
const objectOf = (line: string): Readonly<Record<string, unknown>> => {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
};

const readSet = (path: string, bytes: Uint8Array): RetrievalSet => {
  const texts: { id: string; text: string }[] = [];
  const queries: { query: string; relevant: ReadonlySet<string>; at: number }[] = [];
  const known = new Set<string>();
  for (const [index, line] of Buffer.from(bytes).toString("utf8").split("\n").entries()) {
    if (line.trim() === "") continue;
    const at = index + 1;
    const { id, text, query, relevant } = objectOf(line);
    if (isName(id) && typeof text === "string") {
      if (known.has(String(id))) throw unfit(`${path}:${at}: the id ${id} stands twice`);
      known.add(String(id));
      texts.push({ id: String(id), text });
    } else if (typeof query === "string" && Array.isArray(relevant)) {
      const ids = (relevant as readonly unknown[]).filter(isName).map(String);
      if (ids.length === 0) throw unfit(`${path}:${at}: nothing is relevant to the query`);
      queries.push({ query, relevant: new Set(ids), at });
    } else throw unfit(`${path}:${at}: neither {id, text} nor {query, relevant[]}`);
  }
  if (texts.length === 0 || queries.length === 0) throw unfit(`${path}: no texts or no queries`);
  for (const { relevant, at } of queries) {
    const strange = [...relevant].find((id) => !known.has(id));
    if (strange !== undefined) throw unfit(`${path}:${at}: no text has the id ${strange}`);
  }
  return { name: basename(path), texts, queries };
};

export const readSets = (path: string): ReadSets => {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw unfit(`${path} is not there`);
  const paths = stat.isDirectory()
    ? readdirSync(path)
        .filter((name) => name.endsWith(".jsonl"))
        .toSorted()
        .map((name) => join(path, name))
    : [path];
  if (paths.length === 0) throw unfit(`${path} holds no .jsonl`);
  const data: { path: string; sha256: string }[] = [];
  const sets = paths.map((file) => {
    if (statSync(file).size > fileBytesMax) throw unfit(`${file} is too large`);
    const bytes = readFileSync(file);
    data.push({ path: file, sha256: createHash("sha256").update(bytes).digest("hex") });
    return readSet(file, bytes);
  });
  return { sets, data };
};

const syllables = "ba ce di fo gu ha ki lo me nu pa ri so te vu".split(" ");
const endings = ["", "", "s", "ing", "ed"];

const pick = <T>(random: SeededRandom, list: readonly T[]): T =>
  list[random.below(list.length)] as T;

const wordOf = (random: SeededRandom): string =>
  Array.from({ length: 2 + random.below(2) }, () => pick(random, syllables)).join("");

const wordsFrom = (random: SeededRandom, stems: readonly string[], count: number): string[] =>
  Array.from({ length: count }, () => `${pick(random, stems)}${pick(random, endings)}`);

/** `things` things with a few texts each, and two questions about every fourth of them. */
export const madeSet = (name: string, things: number, random: SeededRandom): RetrievalSet => {
  const common = Array.from({ length: 300 }, () => wordOf(random));
  const texts: { id: string; text: string }[] = [];
  const queries: { query: string; relevant: ReadonlySet<string> }[] = [];
  for (let thing = 0; thing < things; thing++) {
    const own = Array.from({ length: 12 }, () => wordOf(random));
    const ids: string[] = [];
    for (let n = 1 + random.below(5); n > 0; n--) {
      const noise = wordsFrom(random, common, 10 + random.below(40));
      const about = wordsFrom(random, own, 3 + random.below(6));
      const id = `${thing}.${n}`;
      ids.push(id);
      texts.push({ id, text: [...noise, ...about].join(" ") });
    }
    for (let n = thing % 4 === 0 ? 2 : 0; n > 0; n--) {
      const asked = [...wordsFrom(random, own, 3), ...wordsFrom(random, common, 2)];
      queries.push({ query: asked.join(" "), relevant: new Set(ids) });
    }
  }
  return { name, texts, queries };
};
