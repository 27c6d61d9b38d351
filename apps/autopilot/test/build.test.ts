// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { inputsHash } from "../build/inputs.ts";
import { ensurePage } from "../build/page.ts";

const project = path.resolve(import.meta.dirname, "../../..");

test("a page is built whole, once, and fits a policy without scripts in place", async () => {
  const pages = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-pages-"));
  try {
    const first = await ensurePage(pages);
    assert.equal(first.built, true);
    assert.equal(fs.readFileSync(path.join(pages, "current"), "utf8"), first.hash);
    assert.deepEqual(
      fs.readdirSync(pages).filter((name) => name.startsWith("tmp-")),
      [],
    );
    const html = fs.readFileSync(path.join(first.folder, "index.html"), "utf8");
    assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)/);
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=/);
    const scripts = fs
      .readdirSync(path.join(first.folder, "assets"))
      .filter((name) => name.endsWith(".js"))
      .map((name) => fs.readFileSync(path.join(first.folder, "assets", name), "utf8"));
    assert.ok(scripts.length > 3);
    for (const script of scripts) assert.doesNotMatch(script, /\bnew Function\(|\beval\(/);
    assert.deepEqual(await ensurePage(pages), { ...first, built: false });
  } finally {
    fs.rmSync(pages, { recursive: true, force: true });
  }
});

test("the hash is of what is bundled", () => {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-inputs-"));
  try {
    for (const name of ["apps/autopilot", "packages"]) {
      fs.cpSync(path.join(project, name), path.join(copy, name), {
        recursive: true,
        filter: (from) => !from.includes("node_modules"),
      });
    }
    fs.copyFileSync(path.join(project, "pnpm-lock.yaml"), path.join(copy, "pnpm-lock.yaml"));
    const before = inputsHash(copy);
    fs.appendFileSync(path.join(copy, "apps/autopilot/README.md"), "\n");
    assert.equal(inputsHash(copy), before);
    fs.appendFileSync(path.join(copy, "packages/wire/src/schema.ts"), "\n");
    assert.notEqual(inputsHash(copy), before);
  } finally {
    fs.rmSync(copy, { recursive: true, force: true });
  }
});
