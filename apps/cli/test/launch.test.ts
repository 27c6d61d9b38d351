/** What the launcher says of a failed start is what the command says: code, next step, exit code. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { launchKernel } from "../src/kernel/launch.ts";
import { failureOf } from "../src/report.ts";
import { runWith, temporaryFolder } from "./support.ts";

/** The failure of a launcher that writes this as its ready line. */
const failureWith = async (ready: object): Promise<Awaited<ReturnType<typeof failureOf>>> => {
  using folder = temporaryFolder();
  const program = join(folder.path, "launcher.mjs");
  const line = JSON.stringify(`${JSON.stringify(ready)}\n`);
  writeFileSync(program, `import fs from "node:fs"; fs.writeSync(3, ${line}); process.exit(9);\n`);
  try {
    await launchKernel(
      { data: join(folder.path, "D"), host: "127.0.0.1", port: 0 },
      { signal: new AbortController().signal, onText: () => undefined, env: {}, program },
    );
  } catch (error) {
    return await failureOf(error);
  }
  throw new Error("it started");
};

test("the launcher's exit code and next step are kept", async () => {
  const error = { code: "E_LAUNCHER_X", message: "why", next: "do this", exit: 7 };
  const { report, exit } = await failureWith({ error });
  assert.deepEqual([report.code, report.message, report.next], ["E_LAUNCHER_X", "why", "do this"]);
  assert.equal(exit, 7);
});

test("without one, or with none that there is, it is that of the code", async () => {
  for (const exit of [undefined, 0, 8, -1, "7", 2.5]) {
    const known = { code: "E_CLI_USAGE", message: "why", exit };
    assert.equal((await failureWith({ error: known })).exit, 2, String(exit));
    const unknown = { code: "E_LAUNCHER_X", message: "why", exit };
    assert.equal((await failureWith({ error: unknown })).exit, 5, String(exit));
  }
});

test("start on an address that others can reach is 7, from the launcher", async () => {
  for (const host of ["0.0.0.0", "192.168.1.4", "::"]) {
    using folder = temporaryFolder();
    const data = join(folder.path, "D");
    const { exit, out, err } = await runWith(["start", "--host", host, "--data", data]);
    assert.deepEqual([exit, out], [7, ""], err);
    assert.match(
      err,
      /^error\[E_LAUNCHER_HOST\]: .* authentication is not available\. Next: \.\/ioi/,
    );
    assert.ok(err.includes(`${host} is not a loopback address`), err);
    assert.equal(existsSync(data), false);
  }
});
