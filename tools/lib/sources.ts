/** Reading the project's source files: what they import and which files they name. */
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { filesOf, readText } from "./project.ts";

export interface Source {
  /** Relative to the project. */
  readonly file: string;
  readonly text: string;
}

export const isGenerated = (file: string): boolean => file.startsWith("packages/wire/src/gen/");

const isSource = (file: string): boolean => /\.(ts|tsx|mjs)$/.test(file) && !isGenerated(file);

export const sourcesOf = (root: string): readonly Source[] =>
  filesOf(root)
    .filter(isSource)
    .map((file) => ({ file, text: readText(root, file) }));

export const lineOf = (text: string, index: number): number =>
  text.slice(0, index).split("\n").length;

/** The same text with comments blanked, so that line numbers stay. */
export const withoutComments = (text: string): string =>
  text
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "))
    .replaceAll(/^(\s*)\/\/.*$/gm, "$1");

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Static and dynamic imports and re-exports with a literal specifier. */
export const importsOf = ({ text }: Source): readonly Import[] => {
  const code = withoutComments(text);
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)["']([\w@.#][\w@./:#-]*)["']/g;
  return [...code.matchAll(pattern)].map((match) => ({
    specifier: match[1] ?? "",
    line: lineOf(code, match.index),
  }));
};

/** Files that a source names in a string literal: what it imports, starts or loads by place. */
export const filesNamedBy = ({ file, text }: Source, root: string): readonly string[] => {
  const code = withoutComments(text);
  const named = [...code.matchAll(/["'`]([\w@./-]+\.(?:ts|tsx|mjs))["'`]/g)];
  return named.flatMap((match) => {
    const name = match[1] ?? "";
    const candidates = [normalize(join(dirname(file), name)), normalize(name)];
    return candidates.filter((candidate) => existsSync(join(root, candidate)));
  });
};

export interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly ioi?: { readonly grade?: string; readonly stability?: string };
}

export const manifestOf = (root: string, folder: string): Manifest =>
  JSON.parse(readText(root, join(folder, "package.json"))) as Manifest;
