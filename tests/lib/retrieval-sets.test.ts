/** Sets that retrieval is measured on: what is read, and what is no set and says where. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import type { OperationError } from "@ioi/base";
import { readSets } from "../suites/retrieval/sets.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-sets-"));
after(() => fs.rmSync(folder, { recursive: true }));

const fileOf = (...lines: readonly object[]): string => {
  const file = path.join(folder, "a.jsonl");
  fs.writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  return file;
};

const one = { id: 1, text: "The key is under the mat." };
const asked = { query: "key", relevant: ["1"] };

test("texts and queries are read, in any order, from a file or a folder", () => {
  const { sets, data } = readSets(fileOf(asked, one, { id: "2", text: "", more: true }));
  const [set] = sets;
  assert.deepEqual([set?.name, set?.texts.length, data.length], ["a.jsonl", 2, 1]);
  assert.deepEqual([...(set?.queries[0]?.relevant ?? [])], ["1"]);
  assert.equal(readSets(folder).sets.length, 1);
});

const wrongs: readonly (readonly [string, readonly object[], RegExp])[] = [
  ["a line of neither kind", [one, asked, { id: 1 }], /a\.jsonl:3: neither/],
  ["an id twice", [one, { ...one, id: "1" }, asked], /:2: the id 1 stands twice/],
  ["nothing relevant", [one, { query: "key", relevant: [] }], /:2: nothing is relevant/],
  ["an id that is not there", [one, { query: "key", relevant: ["9"] }], /:2: no text has the id 9/],
  ["no queries", [one], /no texts or no queries/],
];
for (const [what, lines, said] of wrongs) {
  test(`${what} is no set, and says where`, () => {
    const isUnfit = ({ code, message }: OperationError): boolean =>
      code === "E_CLI_USAGE" && said.test(message);
    assert.throws(() => readSets(fileOf(...lines)), isUnfit);
  });
}

test("a path that is not there is said to be so", () => {
  assert.throws(() => readSets(path.join(folder, "none")), { code: "E_CLI_USAGE" });
});
