/**
 * The fixed lexicon of tasks, as data: which words of a request mean which group of targets. English
 * first; another language is another table. No model has a part in it, so that the same words
 * always give the same scope.
 */
import type { ScopeAccess, ScopeGroup } from "@ioi/wire";

export interface VerbMeaning {
  readonly group: ScopeGroup;
  /** What it needs of the folders that the words name; absent: nothing. */
  readonly access?: ScopeAccess;
  /** Often no verb ("in order", "my book"): counts only where a command can begin. */
  readonly ambiguous?: true;
}

const listed = (words: string, meaning: VerbMeaning): readonly (readonly [string, VerbMeaning])[] =>
  words.split(/\s+/).map((word) => [word, meaning]);

/** Base forms; the parser knows their regular inflections. */
export const verbs: readonly (readonly [string, VerbMeaning])[] = [
  ...listed(
    "read show list find look search tell count total sum summarise summarize compare check " +
      "explain describe analyse analyze inspect review calculate extract verify identify measure",
    { group: "read", access: "read" },
  ),
  ...listed(
    "put move sort organise organize rename group arrange tidy collect separate split archive " +
      "copy clean declutter relocate restructure",
    { group: "organise", access: "organise" },
  ),
  ...listed("file name order sequence", {
    group: "organise",
    access: "organise",
    ambiguous: true,
  }),
  ...listed(
    "write save draft create make convert edit fix update append generate export replace " +
      "translate change rewrite refactor add insert correct transcribe format adjust modify revise",
    { group: "organise", access: "write" },
  ),
  ...listed("delete remove trash erase purge discard dedupe deduplicate", {
    group: "delete",
    access: "organise",
  }),
  ...listed("empty clear", { group: "delete", access: "organise", ambiguous: true }),
  ...listed("send email reply forward publish upload submit tweet notify", { group: "send" }),
  ...listed("mail post share message text", { group: "send", ambiguous: true }),
  ...listed("buy purchase subscribe refund reimburse repay donate", { group: "buy" }),
  ...listed("order pay book transfer wire", { group: "buy", ambiguous: true }),
  ...listed("schedule remind reschedule postpone", { group: "schedule" }),
  ...listed("book plan invite", { group: "schedule", ambiguous: true }),
  ...listed("browse google visit download fetch crawl", { group: "browse" }),
  ...listed("run execute compile install benchmark lint", { group: "run" }),
  ...listed("build test start launch", { group: "run", ambiguous: true }),
];

/** Fixed names of programs and things that only a program does. */
export const nouns: readonly (readonly [string, VerbMeaning])[] = [
  ...listed("website webpage url internet online", { group: "browse" }),
  ...listed("git npm pnpm make cargo pytest", { group: "run", ambiguous: true }),
  ...listed("tests", { group: "run", ambiguous: true }),
  ...listed("duplicates how what which where when who", { group: "read", access: "read" }),
];

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));

/** Things that say which group a verb means that acts on many: with one of the verbs, anywhere. */
export const objects: readonly {
  readonly group: ScopeGroup;
  readonly verbs: ReadonlySet<string>;
  readonly nouns: ReadonlySet<string>;
}[] = [
  {
    group: "schedule",
    verbs: words(
      "create make add put set move change update cancel shift push bring plan arrange invite block",
    ),
    nouns: words(
      "calendar appointment appointments meeting meetings event events reminder reminders",
    ),
  },
  {
    group: "buy",
    verbs: words(
      "send make change update set adjust modify increase decrease schedule create add cancel",
    ),
    nouns: words(
      "money payment payments transaction transactions rent salary transfer transfers standing " +
        "amount difference fee fees cash dollars euros pounds",
    ),
  },
];

/** Words before which a command can begin. */
export const openers: ReadonlySet<string> = new Set(
  "and then please to also you can could would just now afterwards finally first next let us".split(
    " ",
  ),
);

/** What takes a meaning back. */
export const negations: ReadonlySet<string> = new Set(
  "not never without no don't dont doesn't won't cannot can't avoid except".split(" "),
);

/** After a negation they say to do it: "do not forget to invite Mark". */
export const affirming: ReadonlySet<string> = new Set("forget only hesitate".split(" "));

/** Words that end the reach of a negation. */
export const clauseWords: ReadonlySet<string> = new Set("but then instead only just".split(" "));

/** With one of these, what may be sent is only written: "draft a reply". */
export const drafting: ReadonlySet<string> = new Set(["draft", "write", "compose", "prepare"]);
export const drafted: ReadonlySet<string> = new Set(["reply", "email", "mail", "message", "post"]);

/** Folders of a home that have a name of their own. */
export const homeFolders: ReadonlyMap<string, string> = new Map([
  ["downloads", "Downloads"],
  ["desktop", "Desktop"],
  ["documents", "Documents"],
  ["pictures", "Pictures"],
  ["music", "Music"],
  ["videos", "Videos"],
]);

/** Words before the name of such a folder, and after it. */
export const folderLeads: ReadonlySet<string> = new Set(
  "my in from into to of clean tidy sort organise organize empty".split(" "),
);
export const folderTails: ReadonlySet<string> = new Set(["folder", "directory"]);

/** Endings after which a dotted word is a site; every other dotted word is a file's name. */
export const siteEndings: ReadonlySet<string> = new Set(
  (
    "com org net io dev app edu gov info eu de uk fr es it nl at ch be se no dk fi pl pt cz ie us ca " +
    "au nz jp in br test example invalid"
  ).split(" "),
);
