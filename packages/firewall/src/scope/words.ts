/**
 * What a person's words ask for: folders, sites and groups of targets, by the fixed lexicon and a
 * path parser, without a model.
 *
 * Source: the design of the firewall, section 2 (Task scope) and of the agent, section 3 (the scope
 * card). Words are what was typed: text of several lines or more than 200 characters is a paste,
 * and a paste names nothing. A name with characters that cannot be seen, or with look-alikes, names
 * nothing either. Whether a path exists is found out outside.
 * Bounds: `scopeTokensMax`, `scopeFoldersMax`, `scopeSitesMax`.
 */
import type { ScopeAccess, ScopeFolder, ScopeGroup } from "@ioi/wire";
import { isTyped } from "../grounding/words.ts";
import { scopeFoldersMax, scopeSitesMax, scopeTokensMax } from "../limits.ts";
import { normalisePath, pathComplaint } from "../paths.ts";
import { letterWarnings, visible } from "../visible.ts";
import {
  affirming,
  clauseWords,
  drafted,
  drafting,
  folderLeads,
  folderTails,
  homeFolders,
  negations,
  nouns,
  objects,
  openers,
  siteEndings,
  type VerbMeaning,
  verbs,
} from "./lexicon.ts";

export interface WordsReading {
  readonly folders: readonly ScopeFolder[];
  readonly sites: readonly string[];
  /** In the order of `scopeGroups`; always `read`. */
  readonly groups: readonly ScopeGroup[];
  readonly access: ScopeAccess;
  /** Names that were not taken, with why. */
  readonly warnings: readonly string[];
}

export const scopeGroups: readonly ScopeGroup[] = [
  "read",
  "organise",
  "delete",
  "run",
  "browse",
  "send",
  "buy",
  "schedule",
];

interface Token {
  readonly text: string;
  readonly quoted: boolean;
  /** A clause ends with it. */
  readonly ends: boolean;
}

const quotes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["'", "'"],
  ["`", "`"],
  ["\u201c", "\u201d"],
  ["\u2018", "\u2019"],
  ["\u00ab", "\u00bb"],
]);

const trimmed = (text: string): string => text.replace(/^[([{<]+|[)\]}>.,;:!?]+$/g, "");

/** Splits at white space; a quote that begins a word holds to its end; `\ ` is a space in a name. */
const tokensOf = (text: string): readonly Token[] => {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length && tokens.length < scopeTokensMax) {
    const char = text[at] as string;
    if (/\s/.test(char)) {
      at++;
      continue;
    }
    const close = quotes.get(char);
    const end = close === undefined ? -1 : text.indexOf(close, at + 1);
    if (end > at) {
      tokens.push({ text: text.slice(at + 1, end), quoted: true, ends: false });
      at = end + 1;
      continue;
    }
    let to = at;
    while (to < text.length && !/\s/.test(text[to] as string)) {
      to += text[to] === "\\" && text[to + 1] === " " ? 2 : 1;
    }
    const raw = text.slice(at, to);
    const plain = trimmed(raw).replaceAll("\\ ", " ");
    if (plain !== "") tokens.push({ text: plain, quoted: false, ends: /[.,;:!?)]$/.test(raw) });
    at = to;
  }
  return tokens;
};

/** The regular forms of an English verb; forms that do not exist do no harm. */
const formsOf = (base: string): readonly string[] => {
  const last = base.at(-1) as string;
  const stem = base.endsWith("e") ? base.slice(0, -1) : base;
  const forms = [base, `${base}s`, `${base}es`, `${stem}ing`, `${stem}ed`];
  if (base.endsWith("y")) forms.push(`${base.slice(0, -1)}ies`, `${base.slice(0, -1)}ied`);
  if (/[aeiou][bdgmnprt]$/.test(base)) forms.push(`${base}${last}ing`, `${base}${last}ed`);
  return forms;
};

const meanings: ReadonlyMap<string, readonly VerbMeaning[]> = (() => {
  const all = new Map<string, VerbMeaning[]>();
  const add = (word: string, meaning: VerbMeaning): void => {
    all.set(word, [...(all.get(word) ?? []), meaning]);
  };
  for (const [base, meaning] of verbs) {
    for (const form of new Set(formsOf(base))) add(form, meaning);
  }
  for (const [word, meaning] of nouns) add(word, meaning);
  return all;
})();

const accessRank: Readonly<Record<ScopeAccess, number>> = { read: 0, organise: 1, write: 2 };

/** The wider of two accesses. */
export const widerAccess = (a: ScopeAccess, b: ScopeAccess): ScopeAccess =>
  accessRank[a] >= accessRank[b] ? a : b;

interface Wanted {
  readonly groups: Set<ScopeGroup>;
  readonly refused: Set<ScopeGroup>;
  access: ScopeAccess;
}

/** Words that a negation reaches, itself left out. */
const negationReach = 5;

const isNegated = (words: readonly Token[], at: number): boolean => {
  for (let back = at - 1; back >= 0 && back >= at - negationReach; back--) {
    const before = words[back] as Token;
    if (before.ends) return false;
    const word = before.text.toLowerCase().replace("\u2019", "'");
    if (clauseWords.has(word)) return false;
    if (negations.has(word)) return !affirming.has(words[back + 1]?.text.toLowerCase() ?? "");
  }
  return false;
};

const canBegin = (words: readonly Token[], at: number): boolean => {
  const before = words[at - 1];
  return before === undefined || before.ends || openers.has(before.text.toLowerCase());
};

/** "Change my rent", "create a meeting": what is changed says what it is. */
const readObjects = (words: readonly Token[], wanted: Wanted): void => {
  const holds = (these: ReadonlySet<string>, negatable: boolean): boolean =>
    words.some(
      ({ text, quoted }, at) =>
        !quoted && these.has(text.toLowerCase()) && !(negatable && isNegated(words, at)),
    );
  for (const { group, verbs: acting, nouns: things } of objects) {
    if (holds(acting, true) && holds(things, false)) wanted.groups.add(group);
  }
};

const readVerbs = (words: readonly Token[], wanted: Wanted): void => {
  const writing = words.some(({ text }) => drafting.has(text.toLowerCase()));
  for (const [at, { text, quoted }] of words.entries()) {
    if (quoted) continue;
    const word = text.toLowerCase();
    for (const meaning of meanings.get(word) ?? []) {
      if (meaning.ambiguous === true && !canBegin(words, at)) continue;
      if (meaning.group === "send" && writing && drafted.has(word)) continue;
      if (isNegated(words, at)) {
        wanted.refused.add(meaning.group);
        continue;
      }
      wanted.groups.add(meaning.group);
      wanted.access = widerAccess(wanted.access, meaning.access ?? "read");
    }
  }
  readObjects(words, wanted);
};

interface Named {
  readonly folders: Map<string, string>;
  readonly sites: Set<string>;
  readonly relative: { readonly text: string }[];
  readonly warnings: Set<string>;
}

/** Characters that cannot be seen, or letters that only look like others. */
const isDeceptive = (text: string): boolean =>
  visible(text) !== text || letterWarnings(text).length > 0;

const nameFolder = (named: Named, path: string, words: string): void => {
  const normal = normalisePath(path.normalize("NFC"));
  const complaint = pathComplaint(normal);
  if (complaint !== undefined) named.warnings.add(`"${visible(words)}" is not taken: ${complaint}`);
  else if (!named.folders.has(normal)) named.folders.set(normal, words);
};

const takePath = (named: Named, { text, quoted }: Token, home: string): boolean => {
  const isPath = /^(?:~$|~\/|\/|\.{1,2}\/)/.test(text);
  // Unquoted, "and/or" and "CSV/PDF" are no paths.
  if (!isPath && !(quoted && /^[^/:@]+\/[^:@]*$/.test(text))) return false;
  if (isDeceptive(text)) {
    named.warnings.add(`"${visible(text)}" is not taken: it has letters that deceive; pick it`);
  } else if (text.startsWith("~")) nameFolder(named, `${home}/${text.slice(1)}`, text);
  else if (text.startsWith("/")) nameFolder(named, text, text);
  else named.relative.push({ text });
  return true;
};

const urlShape = /^https?:\/\/([a-z0-9.-]+)(?::(?:443|80))?(?:[/?#]\S*)?$/i;
const hostShape = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/i;

const takeSite = (named: Named, { text, quoted }: Token): boolean => {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const host = urlShape.exec(text)?.[1]?.replace(/\.$/, "").toLowerCase();
    if (host !== undefined && host.length <= 253 && hostShape.test(host)) named.sites.add(host);
    else named.warnings.add(`"${visible(text.slice(0, 80))}" is not taken: no plain web address`);
    return true;
  }
  const ending = text.slice(text.lastIndexOf(".") + 1).toLowerCase();
  if (quoted || !siteEndings.has(ending) || !hostShape.test(text) || text.length > 253)
    return false;
  named.sites.add(text.toLowerCase());
  return true;
};

/** "my Downloads", "the Documents folder". */
const takeHomeFolder = (
  named: Named,
  words: readonly Token[],
  at: number,
  home: string,
): boolean => {
  const { text, quoted } = words[at] as Token;
  const folder = quoted ? undefined : homeFolders.get(text.toLowerCase());
  if (folder === undefined) return false;
  const before = words[at - 1]?.text.toLowerCase() ?? "";
  const after = words[at + 1]?.text.toLowerCase() ?? "";
  const capital = at > 0 && text === folder;
  if (!capital && !folderLeads.has(before) && !folderTails.has(after)) return false;
  nameFolder(named, `${home}/${folder}`, text);
  return true;
};

const readNames = (words: readonly Token[], home: string, named: Named): readonly Token[] => {
  const left: Token[] = [];
  for (const [at, token] of words.entries()) {
    const taken =
      takeSite(named, token) ||
      takePath(named, token, home) ||
      takeHomeFolder(named, words, at, home);
    // A name is no verb; its place stays, so that what stands around it does.
    left.push(taken ? { ...token, quoted: true } : token);
  }
  return left;
};

/** Texts that somebody was seen typing, or that are short enough for it. */
const typedOf = (texts: readonly string[], typed?: ReadonlySet<number>): readonly string[] =>
  texts.filter((text, at) => isTyped(text) || typed?.has(at) === true);

/** Whether the words speak of one of these things, by its forms; what is quoted is a name. */
export const speaksOf = (
  texts: readonly string[],
  things: readonly string[],
  typed?: ReadonlySet<number>,
): boolean => {
  const forms = new Set(things.flatMap((thing) => [...formsOf(thing)]));
  return typedOf(texts, typed).some((text) => {
    const words = tokensOf(text);
    return words.some(
      ({ text: word, quoted }, at) =>
        !quoted && forms.has(word.toLowerCase()) && !isNegated(words, at),
    );
  });
};

const ordered = ({ groups, refused }: Wanted): readonly ScopeGroup[] =>
  scopeGroups.filter((group) => group === "read" || (groups.has(group) && !refused.has(group)));

const bounded = <T>(all: readonly T[], max: number, what: string, warnings: Set<string>): T[] => {
  if (all.length > max) warnings.add(`${all.length - max} more ${what} are not taken`);
  return all.slice(0, max);
};

/**
 * `base`: the folder to which names without a beginning are relative. `typed`: which texts somebody
 * saw being typed, however long they are.
 */
export const readWords = (
  texts: readonly string[],
  home: string,
  base?: string,
  typed?: ReadonlySet<number>,
): WordsReading => {
  const wanted: Wanted = { groups: new Set(), refused: new Set(), access: "read" };
  const named: Named = {
    folders: new Map(),
    sites: new Set(),
    relative: [],
    warnings: new Set(),
  };
  for (const [at, text] of texts.entries()) {
    if (isTyped(text) || typed?.has(at) === true)
      readVerbs(readNames(tokensOf(text), home, named), wanted);
    else if (text !== "") {
      named.warnings.add("A text of several lines, or of more than 200 characters, names nothing.");
    }
  }
  const from = base ?? named.folders.keys().next().value;
  for (const { text } of named.relative) {
    if (from !== undefined) nameFolder(named, `${from}/${text}`, text);
  }
  const groups = ordered(wanted);
  // What was refused in words is not left open by another verb.
  const access: ScopeAccess =
    groups.includes("organise") || groups.includes("delete") ? wanted.access : "read";
  if (named.sites.size > 0 && !wanted.refused.has("browse")) wanted.groups.add("browse");
  const sites = bounded([...named.sites], scopeSitesMax, "sites", named.warnings);
  const folders = bounded([...named.folders], scopeFoldersMax, "folders", named.warnings);
  return {
    folders: folders.map(([path, words]) => ({ path, access, words: words.slice(0, 200) })),
    sites,
    groups: ordered(wanted),
    access,
    warnings: [...named.warnings],
  };
};
