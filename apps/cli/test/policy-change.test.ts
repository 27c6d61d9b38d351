/** `ioi policy show|set|history` and the answer to a change that waits. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { FakeKernel, type RunSettings, runWith, temporaryFolder } from "./support.ts";

const next = "version = 1\n# more\n";

const withKernel = async (
  use: (
    kernel: FakeKernel,
    ioi: (argv: readonly string[], settings?: RunSettings) => ReturnType<typeof runWith>,
  ) => Promise<void>,
): Promise<void> => {
  using folder = temporaryFolder();
  await using kernel = await FakeKernel.open(folder.path);
  writeFileSync(join(folder.path, "new.toml"), next);
  await use(kernel, (argv, settings) =>
    runWith([...argv, "--data", kernel.data], { cwd: folder.path, ...settings }),
  );
};

const set = ["policy", "set", "new.toml"] as const;

test("a change waits with its id, and is approved or denied by it", () =>
  withKernel(async ({ policy }, ioi) => {
    const waits = await ioi([...set, "--on-ask", "pend"]);
    assert.deepEqual([waits.exit, waits.out], [4, "p-00\n"]);
    assert.match(waits.err, /Put another text in force/);
    assert.ok(!waits.err.includes("\u001b[31m"), "the card is made safe for a terminal");
    assert.match((await ioi(["status"])).out, /waits for you: p-00 {2}a change of the policy/);
    const shown = await ioi(["approve", "p-0", "--show"]);
    assert.deepEqual([shown.exit, policy.saved.length], [0, 0]);
    assert.match(shown.out, /Put another text in force/);
    const approved = await ioi(["approve", "p-0", "--json"]);
    const said = JSON.parse(approved.out) as { readonly state: string; readonly receipt: number };
    assert.deepEqual([approved.exit, said.state, said.receipt], [0, "saved", 4]);
    assert.deepEqual(policy.saved, [next]);
    assert.equal((await ioi(["approve", "p-0"])).exit, 2);
    assert.match((await ioi(["policy", "history"])).out, /by the terminal, receipt 4/);
    assert.match((await ioi(set)).out, /in force already/);
  }));

test("a change that is denied is withdrawn", () =>
  withKernel(async ({ policy }, ioi) => {
    await ioi([...set, "--on-ask", "pend"]);
    assert.equal((await ioi(["deny", "p-00"])).exit, 0);
    assert.deepEqual([policy.waiting.length, policy.saved.length], [0, 0]);
  }));

test("at a terminal the card is answered with a key, and takes none at once", () =>
  withKernel(async ({ policy }, ioi) => {
    // The first key comes while the card is new.
    const keys = [
      ["a", 1],
      ["x", 1000],
      ["d", 1000],
    ] as const;
    const denied = await ioi(set, { terminal: true, keys });
    assert.deepEqual([denied.exit, policy.saved.length, policy.waiting.length], [3, 0, 0]);
    const saved = await ioi(set, { terminal: true, keys: [["a", 1000]] });
    assert.deepEqual([saved.exit, policy.saved], [0, [next]]);
  }));

test("where nobody answers nothing is changed", () =>
  withKernel(async ({ policy }, ioi) => {
    assert.equal((await ioi(set)).exit, 3);
    assert.deepEqual([policy.saved.length, policy.waiting.length], [0, 0]);
  }));

test("a card that differs from the one that would be signed is not signed", () =>
  withKernel(async ({ policy }, ioi) => {
    policy.signedCard = "something else";
    await ioi([...set, "--on-ask", "pend"]);
    const refused = await ioi(["approve", "p-00"]);
    assert.notEqual(refused.exit, 0);
    assert.match(refused.err, /E_CLI_CARD_MISMATCH/);
    assert.deepEqual(policy.saved, []);
  }));

test("the text in force is shown, and whether it was edited by hand", () =>
  withKernel(async ({ policy }, ioi) => {
    policy.origin = "edited";
    const shown = await ioi(["policy", "show"]);
    assert.deepEqual([shown.exit, shown.out], [0, "version = 1\n"]);
    assert.match(shown.err, /EDITED BY HAND/);
    assert.match((await ioi(["status"])).out, /EDITED BY HAND/);
    const { origin, text } = JSON.parse((await ioi(["policy", "show", "--json"])).out) as {
      readonly origin: string;
      readonly text: string;
    };
    assert.deepEqual([origin, text], ["edited", "version = 1\n"]);
  }));
