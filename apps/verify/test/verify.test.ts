/** The program on files: its exits, and that what it cannot read or understand is said. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "../src/verify.ts";

const folder = mkdtempSync(join(tmpdir(), "ioi-verify-program-"));
after(() => rmSync(folder, { recursive: true }));

const written = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

const key = "00".repeat(1952);

test("without a file and a key there is nothing to do", () => {
  for (const args of [[], ["a"], ["--key", key], ["a", "b", "--key", key], ["a", "--key"]]) {
    assert.equal(run(args).exit, 2, args.join(" "));
  }
  for (const args of [["--help"], ["-h"], ["retrieval", "--help"], ["page", "-h"]]) {
    const { exit, stdout } = run(args);
    assert.equal(exit, 0);
    assert.match(stdout ?? "", /Usage: ioi-verify FILE --key KEY/);
  }
});

test("what cannot be read is no verdict", () => {
  const missing = join(folder, "missing");
  assert.equal(run([missing, "--key", key]).exit, 5);
  assert.equal(run([written("a.json", "{}"), "--key", missing]).exit, 5);
  assert.equal(run([written("a.json", Uint8Array.of(0xff)), "--key", key]).exit, 5);
  assert.equal(run([written("a.json", "{}"), "--key", written("k", "not hex")]).exit, 5);
});

test("what is no export and no proof is wrong, whatever it is", () => {
  for (const text of ["", "{", '{"a":1,"a":2}', "[]", "null", '{"schema":"ioi.chain-proof/1"}']) {
    const { exit, stdout, stderr } = run([written("a.json", text), "--key", key]);
    assert.deepEqual([exit, stdout], [6, undefined], text);
    assert.match(stderr ?? "", /^error: .* Next: /);
  }
});

test("an export under another key is a report that says so", () => {
  const entries = [{ index: 0, leaf: "00" }];
  const text = JSON.stringify({ schema: "ioi.receipts/1", checkpoint: "x", entries });
  const { exit, stdout } = run([written("a.json", text), "--key", written("k", `${key}\n`)]);
  assert.equal(exit, 6);
  const report = JSON.parse(stdout ?? "") as { ok: boolean; firstBad: { index: number } };
  assert.deepEqual([report.ok, report.firstBad.index], [false, 0]);
});
