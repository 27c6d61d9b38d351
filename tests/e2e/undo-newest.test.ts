/** `ioi undo` without a session: the newest with something left to undo, then the one before. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { ioi, Scratch, TestKernel } from "../lib/kernel.ts";

test("undo goes back from session to session, past those that only looked", async () => {
  using scratch = new Scratch();
  const data = scratch.at("D");
  const workspace = scratch.folder("W");
  await using kernel = await TestKernel.start({ data });
  assert.ok(kernel.pid > 0);
  const names = (): readonly string[] => fs.readdirSync(workspace).toSorted();
  const run = async (text: string): Promise<string> => {
    const args = ["run", "--data", data, "--workspace", workspace, "--json", text];
    const { code, json, stderr } = await ioi(args);
    assert.equal(code, 0, stderr);
    return (json as { session: string }).session;
  };
  const undo = async (...session: string[]): Promise<readonly [number, string | undefined]> => {
    const { code, json } = await ioi(["undo", ...session, "--data", data, "--json"]);
    const error = json as { code?: string; error?: { code: string } | null };
    return [code, error.error?.code ?? error.code];
  };
  await run("/write first.txt 1");
  const second = await run("/write second.txt 2");
  await run("/read second.txt");
  await run("/run cat first.txt");
  assert.deepEqual(names(), ["first.txt", "second.txt"]);
  assert.deepEqual(await undo(), [0, undefined]);
  assert.deepEqual(names(), ["first.txt"]);
  assert.deepEqual(await undo(second), [5, "E_NOTHING_TO_UNDO"]);
  assert.deepEqual(await undo(), [0, undefined]);
  assert.deepEqual(names(), []);
  assert.deepEqual(await undo(), [5, "E_NOTHING_TO_UNDO"]);
});
