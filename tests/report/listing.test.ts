/** Every suite and bench as the command lists them. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { benchNames } from "../benches/index.ts";
import { listSuites, suiteNames } from "../suites/index.ts";

test("every suite and bench of the folder loads under its own name", async () => {
  const listed = await listSuites();
  assert.deepEqual(
    listed.map(({ name }) => name),
    suiteNames(),
  );
  for (const { name, covers, summary } of listed) {
    assert.ok(covers.length > 0, `${name} covers nothing`);
    assert.notEqual(summary, "", `${name} has no summary`);
  }
  for (const name of benchNames()) assert.match(name, /^[a-z0-9][a-z0-9_-]*$/);
});
