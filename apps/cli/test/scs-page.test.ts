/** `ioi scs prove --page`: the verifier as a page, with the proof and without a root. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runWith, temporaryFolder } from "./support.ts";

test("a page is written beside the proof, holds it, and names no root", async () => {
  using folder = temporaryFolder();
  const run = (...argv: readonly string[]) => runWith(["scs", ...argv], { cwd: folder.path });
  assert.equal((await run("create", "a.scs", "--plain")).exit, 0);
  assert.equal((await run("add", "a.scs", "The key is under the mat.")).exit, 0);
  const more = ["--out", "a.proof", "--page", "a.html", "--json"];
  const proved = await run("prove", "a.scs", "key", ...more);
  assert.equal(proved.exit, 0, proved.err);
  const value = JSON.parse(proved.out) as { readonly page: string; readonly commitHash: string };
  assert.equal(value.page, join(folder.path, "a.html"));
  const page = readFileSync(value.page, "utf8");
  const proof = readFileSync(join(folder.path, "a.proof"));
  assert.ok(page.includes(proof.toString("base64")));
  assert.equal(page.includes(value.commitHash), false);
  const again = await run("prove", "a.scs", "key", "--out", "b.proof", "--page", "a.html");
  assert.equal(again.exit, 5);
  assert.match(again.err, /E_CLI_OUT.*is not written/s);
  assert.equal(existsSync(join(folder.path, "b.proof")), false, "a proof without its page");
  const nowhere = ["--out", "c.proof", "--page", "none/c.html"];
  const lost = await run("prove", "a.scs", "key", ...nowhere);
  assert.equal(lost.exit, 5);
  assert.match(lost.err, /^error\[E_CLI_OUT\]: [^:]*none\/c\.html is not written/);
  assert.equal(lost.err.match(/Next: /g)?.length, 1, lost.err);
});
