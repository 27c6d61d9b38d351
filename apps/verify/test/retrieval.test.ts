/** `ioi-verify retrieval` and `page` on the example beside the specification. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "../src/verify.ts";

const folder = mkdtempSync(join(tmpdir(), "ioi-verify-retrieval-"));
after(() => rmSync(folder, { recursive: true }));

interface Example {
  readonly commit: string;
  readonly logRoot: string;
  readonly indexRoot: string;
  readonly proof: string;
}
const specs = join(import.meta.dirname, "../../../specs/scs");
const example = JSON.parse(readFileSync(join(specs, "recall-example.json"), "utf8")) as Example;
const { commit, logRoot, indexRoot } = example;

const written = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const proof = written("good.proof", Buffer.from(example.proof, "base64"));

interface Report {
  readonly ok: boolean;
  readonly reason: string | null;
  readonly answers: readonly { readonly memory: number }[];
  readonly search: { readonly answers: readonly object[] } | null;
  readonly notShown: readonly string[];
}
const reportOf = (...args: readonly string[]): readonly [number, Report] => {
  const { exit, stdout = "{}" } = run(["retrieval", proof, ...args]);
  return [exit, JSON.parse(stdout) as Report];
};

test("a proof verifies by the hash of its commit, or by both roots", () => {
  for (const by of [
    ["--commit", commit],
    ["--root", logRoot.toUpperCase(), "--index-root", indexRoot],
  ]) {
    const [exit, report] = reportOf(...by);
    assert.equal(exit, 0);
    assert.deepEqual(
      report.answers.map(({ memory }) => memory),
      [4, 1],
    );
    assert.equal(report.search?.answers.length, 3);
  }
  const [exit, report] = reportOf("--root", logRoot);
  assert.deepEqual([exit, report.search], [0, null]);
  assert.match(report.notShown[0] ?? "", /no root of an index/);
});

test("another root, another query and an altered proof are refused with the reason", () => {
  const wrong = "00".repeat(32);
  assert.deepEqual(reportOf("--commit", wrong)[1].reason, "it is of another commit");
  assert.deepEqual(reportOf("--root", wrong)[1].reason, "it is of another log");
  const both = reportOf("--root", logRoot, "--index-root", wrong);
  assert.deepEqual([both[0], both[1].reason], [6, "it is of another index"]);
  const query = written("query.json", JSON.stringify(Array.from({ length: 64 }, () => 1)));
  const asked = reportOf("--commit", commit, "--query", query);
  assert.deepEqual([asked[0], asked[1].reason], [6, "it answers another query"]);
  const bytes = Buffer.from(example.proof, "base64");
  const altered = written("altered.proof", bytes.fill(0, bytes.length - 9));
  assert.equal(run(["retrieval", altered, "--commit", commit]).exit, 6);
  assert.equal(run(["retrieval", written("empty", ""), "--commit", commit]).exit, 6);
});

test("what is missing or malformed at the command line is said", () => {
  for (const args of [
    [proof],
    [proof, "--commit", "12"],
    [proof, "--root"],
    ["--commit", commit],
    [proof, proof, "--commit", commit],
    [proof, "--commit", commit, "--proof", proof],
    [proof, "--commit", commit, "--nearest", "all"],
    [proof, "--commit", commit, "--challenge", "12"],
    [proof, "--commit", commit, "--more"],
  ]) {
    const { exit, stderr } = run(["retrieval", ...args]);
    assert.equal(exit, 2, args.join(" "));
    assert.match(stderr ?? "", /^error: .* Next: /);
  }
  const missing = join(folder, "missing");
  assert.equal(run(["retrieval", missing, "--commit", commit]).exit, 5);
  for (const path of [missing, written("no.json", "[1.5]"), written("far.json", "[2048]")]) {
    const { exit, stderr } = run(["retrieval", proof, "--commit", commit, "--query", path]);
    assert.equal(exit, 5, path);
    assert.match(stderr ?? "", /Next: name the file of your query/);
  }
  assert.equal(run(["page", join(folder, "no.html"), "--proof", missing]).exit, 5);
  assert.equal(run(["page", join(folder, "no.html"), "--challenge", commit]).exit, 2);
});

test("a page is written once, holds what it was given, and may ask nobody for anything", () => {
  const page = join(folder, "verify.html");
  assert.equal(run(["page", page, "--proof", proof, "--commit", commit]).exit, 0);
  const html = readFileSync(page, "utf8");
  assert.ok(html.includes(example.proof) && html.includes(`value="${commit}"`));
  assert.match(html, /default-src 'none'; script-src 'sha256-/);
  assert.equal(/https?:|\bfetch\b|XMLHttpRequest/.test(html), false);
  const again = run(["page", page]);
  assert.equal(again.exit, 5);
  assert.match(again.stderr ?? "", /is not written/);
});
