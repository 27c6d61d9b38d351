/**
 * The reference documents that are made from the code: docs/errors.md from every `errors.ts` and
 * docs/limits.md from every `limits.ts`.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { filesOf, readText } from "./project.ts";

export interface Document {
  readonly file: string;
  readonly text: string;
}

interface Entry {
  readonly what: string;
  readonly why: string;
  readonly next: string;
  readonly exit: number;
}

const load = async (root: string, file: string): Promise<Readonly<Record<string, unknown>>> =>
  (await import(pathToFileURL(join(root, file)).href)) as Readonly<Record<string, unknown>>;

const sourcesNamed = (root: string, name: string): readonly string[] =>
  filesOf(root).filter(
    (file) =>
      (/^(packages|apps)\/[^/]+\/src\//.test(file) && file.endsWith(`/${name}.ts`)) ||
      file === `tools/bootstrap/${name}.mjs`,
  );

/** Where an entry comes from, for a reader: the folder without `src`. */
const originOf = (file: string): string =>
  file
    .replace(/\/(errors|limits)\.(ts|mjs)$/, "")
    .replace(/\/src(\/|$)/, "$1")
    .replace(/\/$/, "");

export interface CatalogueEntry extends Entry {
  readonly code: string;
  readonly file: string;
}

/** Every documented error code, in code point order. */
export const catalogue = async (root: string): Promise<readonly CatalogueEntry[]> => {
  const found: CatalogueEntry[] = [];
  for (const file of sourcesNamed(root, "errors")) {
    const { errors } = await load(root, file);
    if (typeof errors !== "object" || errors === null) continue;
    for (const [code, entry] of Object.entries(errors as Readonly<Record<string, Entry>>)) {
      found.push({ ...entry, code, file });
    }
  }
  return found.toSorted((a, b) => (a.code < b.code ? -1 : a.code > b.code ? 1 : 0));
};

const made = "<!-- Made by `npm run gen` from the code; do not edit. -->";

const exitTable = `| Exit | Meaning |
| --- | --- |
| 0 | done |
| 1 | a bug; a redacted report is written and named |
| 2 | wrong usage |
| 3 | denied |
| 4 | waits for an approval |
| 5 | failed |
| 6 | checked and found wrong; also when there was nothing to check |
| 7 | not available here |
| 130, 143 | ended by SIGINT, SIGTERM |`;

const errorsDocument = async (root: string): Promise<Document> => {
  const sections = (await catalogue(root)).map(
    ({ code, file, what, why, next, exit }) =>
      `### ${code}\n\n${what} ${why}\n\n- Next: ${next}\n- Exit: ${exit} · from \`${originOf(file)}\``,
  );
  const text = `# Errors

${made}

Every failure that a person or a script meets is printed as \`error[CODE]: what happened. Next: what
to do\`; with \`--json\` as \`{code, message, at, next, cause[]}\`. What is printed knows the case;
the entries below know the kind.

## Exit codes

${exitTable}

## Codes

${sections.join("\n\n")}
`;
  return { file: "docs/errors.md", text };
};

export interface Limit {
  readonly name: string;
  readonly file: string;
  readonly text: string | undefined;
  readonly value: unknown;
}

/** Exported constants of every `limits.ts` with the doc comment above them. */
export const limits = async (root: string): Promise<readonly Limit[]> => {
  const found: Limit[] = [];
  for (const file of sourcesNamed(root, "limits")) {
    const values = await load(root, file);
    const source = readText(root, file);
    for (const match of source.matchAll(
      /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?export const (\w+)\b/g,
    )) {
      const name = match[2] ?? "";
      const text = match[1]?.replaceAll(/\s*\n\s*\*\s?/g, " ").trim();
      found.push({ name, file, text, value: values[name] });
    }
  }
  return found;
};

/** Whole numbers in groups of three; lists joined. */
const formatValue = (value: unknown): string => {
  if (typeof value === "number" || typeof value === "bigint") {
    return `${value}`
      .replaceAll(/\B(?=(\d{3})+(?!\d))/g, "_")
      .replace(/(\..*)/, (rest) => rest.replaceAll("_", ""));
  }
  return typeof value === "string" ? value : JSON.stringify(value);
};

const limitsDocument = async (root: string): Promise<Document> => {
  const groups = Map.groupBy(await limits(root), ({ file }) => originOf(file));
  const sections = [...groups].map(([origin, list]) => {
    const rows = list.map(
      ({ name, text, value }) =>
        `| \`${name}\` | ${formatValue(value)} | ${(text ?? "").replaceAll("|", String.raw`\|`)} |`,
    );
    return `## ${origin}\n\n| Limit | Value | What it bounds |\n| --- | --- | --- |\n${rows.join("\n")}`;
  });
  const text = `# Limits

${made}

Every queue, cache, message and loop has a bound, and the bounds live in one file of each package.

${sections.join("\n\n")}
`;
  return { file: "docs/limits.md", text };
};

export const documents = async (root: string): Promise<readonly Document[]> => [
  await errorsDocument(root),
  await limitsDocument(root),
];
