/** What undo needs is kept for seven days; after that an undo says what became of it. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { ioi, Scratch } from "../lib/kernel.ts";
import "./compile-cache.ts";

interface Ran {
  readonly session: string;
  readonly state: string;
  readonly error: { readonly code: string } | null;
}

describe("kept for seven days", { concurrency: 2 }, () => {
  for (const [days, expected] of [
    [8, { code: 5, error: "E_RESTORE_FORGOTTEN", there: true }],
    [6, { code: 0, error: undefined, there: false }],
  ] as const) {
    test(`a change of ${days} days ago is ${days > 7 ? "forgotten" : "undone"}`, async () => {
      using scratch = new Scratch();
      const data = scratch.at("D");
      const workspace = scratch.folder("W");
      const place = ["--data", data, "--workspace", workspace];
      const written = await ioi(["run", ...place, "--json", "/write a.txt hello"]);
      assert.equal(written.code, 0, written.stderr);
      const { session } = written.json as Ran;
      const effects = path.join(data, "vault", session, "files");
      const then = Date.now() / 1000 - days * 86_400;
      for (const name of fs.readdirSync(effects))
        fs.utimesSync(path.join(effects, name), then, then);
      // The kernel that this starts looks at the vault first.
      const undone = await ioi(["undo", session, "--data", data, "--json"]);
      const { error } = undone.json as Ran;
      assert.deepEqual([undone.code, error?.code], [expected.code, expected.error], undone.stderr);
      assert.equal(fs.existsSync(path.join(workspace, "a.txt")), expected.there);
    });
  }
});
