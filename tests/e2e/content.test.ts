/** What an action found and a view does not hold: whole, piece by piece, through the real kernel. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ioi, Scratch } from "../lib/kernel.ts";

interface Ran {
  readonly session: string;
  readonly actions: readonly {
    readonly outcome: { readonly content: string | null; readonly handle: string | null };
  }[];
}

test("content of more than one piece comes back byte for byte", async () => {
  using scratch = new Scratch();
  const data = scratch.at("D");
  const workspace = scratch.folder("W");
  // Not UTF-8, and longer than one reply.
  const whole = Buffer.alloc(1_000_000, Buffer.from([0xff, 0x00, 0x1b, 0x0a, 0x41]));
  fs.writeFileSync(path.join(workspace, "big"), whole);
  const place = ["--data", data, "--workspace", workspace];
  const ran = await ioi(["run", ...place, "--json", "/read big && /run echo short"]);
  assert.equal(ran.code, 0, ran.stderr);
  const { session, actions } = ran.json as Ran;
  assert.deepEqual(
    actions.map(({ outcome }) => [outcome.content, outcome.handle]),
    [
      [null, `contents/${session}/1`],
      ["short\n", null],
    ],
  );
  const show = (n: string, ...more: string[]) =>
    ioi(["sessions", "show", session, "--data", data, "--content", n, ...more]);
  const found = await show("1", "--json");
  assert.equal(found.code, 0, found.stderr);
  const { offset, total, base64 } = found.json as Record<string, unknown>;
  assert.deepEqual([offset, total], [0, whole.length]);
  assert.ok(Buffer.from(String(base64), "base64").equals(whole));
  assert.equal((await show("2")).stdout, "short\n");
  assert.equal((await show("3")).code, 5);
});
