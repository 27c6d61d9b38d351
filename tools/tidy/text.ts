/** What every source and document must have, and words that belong in none. */
import { roomOf } from "../floors.ts";
import { filesOf, readText } from "../lib/project.ts";
import { isGenerated, lineOf, type Source, sourcesOf, withoutComments } from "../lib/sources.ts";
import type { Finding, Step } from "../lib/steps.ts";

interface Rule {
  readonly pattern: RegExp;
  readonly text: string;
  readonly applies: (file: string) => boolean;
  /** Look at comments too. */
  readonly comments?: boolean;
}

const isTypeScript = (file: string): boolean => file.endsWith(".ts");

const gradeOf = (file: string): string | undefined =>
  /^packages\/[^/]+\/src\//.test(file) ? roomOf(file)?.grade : undefined;

const isDeterministic = (file: string): boolean => {
  const grade = gradeOf(file);
  return grade === "pure" || grade === "ported";
};

const rules: readonly Rule[] = [
  {
    pattern: /\.(?:sort|toSorted)\(\s*\)/g,
    text: "a sort without comparator: give one",
    applies: isDeterministic,
  },
  {
    pattern:
      /\bclass\s+\w+(?:<[^>]*>)?\s+extends\s+(?!(?:Error|Duplex|Readable|Writable|Transform)\b)/g,
    text: "no inheritance but Error, and Node's streams, which are made that way",
    applies: isTypeScript,
  },
  {
    pattern:
      /^\s+(?:private|protected|public)\s+(?:static\s+|readonly\s+|async\s+)*(?!constructor\b)\w+\s*[(:;=<]/gm,
    text: "no access modifiers: use #private",
    applies: isTypeScript,
  },
  {
    pattern: /\b(?:test|it|describe)\.(?:only|skip|todo)\b/g,
    text: "no .only, .skip or .todo: call t.skip(reason) where something is missing",
    applies: isTypeScript,
  },
  {
    // A reason follows two dashes (oxlint) or the directive itself (tsc).
    pattern: /(?:ox|es)lint-disable(?:-next-line|-line)?(?:[^\n-]|-(?!-))*$/gm,
    text: "a suppression says why, after --",
    applies: isTypeScript,
    comments: true,
  },
  {
    pattern: /@ts-(?:expect-error|ignore|nocheck)\s*$/gm,
    text: "a suppression says why",
    applies: isTypeScript,
    comments: true,
  },
];

const applyRules = ({ file, text }: Source): readonly Finding[] => {
  // The planted violations are texts in the walls' own tests.
  if (file.startsWith("tools/test/")) return [];
  const code = withoutComments(text);
  return rules
    .filter(({ applies }) => applies(file))
    .flatMap(({ pattern, text: complaint, comments }) => {
      const where = comments === true ? text : code;
      return [...where.matchAll(pattern)].map((match) => ({
        at: `${file}:${lineOf(where, match.index + match[0].search(/\S/))}`,
        text: complaint,
      }));
    });
};

/** A module begins by saying what it is. Tests say it with their names. */
const checkHeader = ({ file, text }: Source): readonly Finding[] => {
  if (file.endsWith(".test.ts") || /(^|\/)index\.ts$/.test(file)) return [];
  const body = text.replace(/^#!.*\n/, "");
  if (/^\/\*\*[\s\S]{20,}?\*\//.test(body)) return [];
  return [{ at: `${file}:1`, text: "no module header (what it is, source, invariants, bounds)" }];
};

/** Built from pieces, so that this file does not contain what it forbids. */
const forbidden: readonly { readonly pattern: RegExp; readonly text: string }[] = [
  { pattern: new RegExp(`\\b${"TO"}DO\\b|\\b${"FIX"}ME\\b|\\bX{3}\\b`), text: "an open end" },
  {
    pattern: new RegExp(`(?:^|[\\s"'\`(=:])/(?:${"work"}/|tmp/${"bash"})`),
    text: "a path of somebody's machine",
  },
  {
    pattern: new RegExp(`${"registry"}\\.(?:npmjs|yarnpkg|npmmirror)|${"deb"}\\.debian\\.org`),
    text: "a registry's host",
  },
];

const proseOnly = /\.(md|ts|tsx|mjs|proto|json|toml|ya?ml|sh)$|(^|\/)(ioi|run)$/;

const checkWords = (root: string): readonly Finding[] =>
  filesOf(root)
    .filter((file) => proseOnly.test(file) && file !== "pnpm-lock.yaml" && !isGenerated(file))
    .flatMap((file) =>
      readText(root, file)
        .split("\n")
        .flatMap((line, index) =>
          forbidden
            .filter(({ pattern }) => pattern.test(line))
            .map(({ text }) => ({ at: `${file}:${index + 1}`, text: `${text}: ${line.trim()}` })),
        ),
    );

export const textStep = (root: string): Step => ({
  name: "text",
  run: () => {
    const sources = sourcesOf(root);
    return Promise.resolve([
      ...sources.flatMap((source) => [...applyRules(source), ...checkHeader(source)]),
      ...checkWords(root),
    ]);
  },
});
