/** SECURITY.md's table: what a row is shown by is there, under the name that the row says. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { projectRoot, readText } from "../lib/project.ts";

const named = (folder: string): readonly string[] =>
  readdirSync(join(projectRoot, folder)).filter((name) => name.endsWith(".ts"));

/** What is wrong with one entry of the last column; undefined where it is there. */
const complaint = (entry: string, names: readonly string[]): string | undefined => {
  const suite = /^suite ([a-z-]+)$/.exec(entry)?.[1];
  if (suite !== undefined) {
    return existsSync(join(projectRoot, `tests/suites/${suite}.ts`)) ? undefined : entry;
  }
  if (entry.startsWith("tests/e2e/")) {
    return existsSync(join(projectRoot, `${entry}.test.ts`)) ? undefined : entry;
  }
  if (!/^(?:packages|apps)\/[a-z]+\/test$/.test(entry)) return undefined;
  if (!existsSync(join(projectRoot, entry))) return entry;
  const files = named(entry);
  const missing = names.find((name) => !files.some((file) => file.includes(name)));
  return missing === undefined ? undefined : `${entry} (${missing})`;
};

/** `suite x` (`case`), `packages/y/test` (`file`, `file`): each with the names in its brackets. */
const entriesOf = (cell: string): readonly (readonly [string, readonly string[]])[] =>
  [...cell.matchAll(/`((?:suite |tests\/|packages\/|apps\/)[^`]+)`(?: \(([^)]*)\))?/g)].map(
    ([, entry = "", inside = ""]) => [
      entry,
      entry.endsWith("/test")
        ? [...inside.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name)
        : [],
    ],
  );

const wrongIn = (text: string): readonly string[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .flatMap((line) => entriesOf(line.split("|").at(-2) ?? ""))
    .map(([entry, names]) => complaint(entry, names))
    .filter((each) => each !== undefined);

test("every test that SECURITY.md names is there", () => {
  const text = readText(projectRoot, "SECURITY.md");
  assert.ok(text.split("\n").flatMap((line) => entriesOf(line)).length > 30, "the table is read");
  assert.deepEqual(wrongIn(text), []);
});

test("a row whose test is gone is seen", () => {
  const row = "| a | b | c | `suite nothing`, `packages/guardian/test` (`devices`, `nobody`) |";
  assert.deepEqual(wrongIn(row), ["suite nothing", "packages/guardian/test (nobody)"]);
});
