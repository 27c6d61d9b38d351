/**
 * Suites and benches by directory listing: the folder is the registry.
 *
 * A name of the published contract whose module is not there yet is `unavailable` (exit 7); any
 * other unknown name is a usage error with the nearest name.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { InvariantError, OperationError } from "@ioi/base";

/** Names in a folder, in code point order; framework modules are not among them. */
export const namesIn = (folder: string, framework: readonly string[]): readonly string[] =>
  readdirSync(folder)
    .filter((file) => /^[a-z0-9][a-z0-9_-]*\.ts$/.test(file))
    .map((file) => file.slice(0, -3))
    .filter((name) => !framework.includes(name))
    .toSorted((a, b) => (a < b ? -1 : 1));

/** Edit distance, for "did you mean". */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};

export const nearest = (name: string, names: readonly string[]): string | undefined => {
  const ranked = names
    .map((candidate) => ({ candidate, far: distance(name, candidate) }))
    .toSorted((a, b) => a.far - b.far);
  const best = ranked[0];
  return best !== undefined && best.far <= Math.max(2, Math.floor(name.length / 3))
    ? best.candidate
    : undefined;
};

export const unknownName = (
  kind: "suite" | "bench",
  name: string,
  names: readonly string[],
): OperationError => {
  const near = nearest(name, names);
  const hint = near === undefined ? "" : `; did you mean "${near}"?`;
  return new OperationError("E_CLI_UNKNOWN_NAME", `unknown ${kind} "${name}"${hint}`, {
    next: `./ioi ${kind} --list`,
  });
};

/** The module's export under `kind`, which must carry the file's name. */
export const loadNamed = async <T extends { readonly name: string }>(
  folder: string,
  kind: "suite" | "bench",
  name: string,
): Promise<T> => {
  const module = (await import(pathToFileURL(join(folder, `${name}.ts`)).href)) as Readonly<
    Record<string, T | undefined>
  >;
  const found = module[kind];
  if (found === undefined)
    throw new InvariantError(`${kind} module ${name} exports no \`${kind}\``);
  if (found.name !== name)
    throw new InvariantError(`${kind} module ${name} names itself ${found.name}`);
  return found;
};
