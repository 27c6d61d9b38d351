/**
 * The signing rule in Quint (specs/consensus/signing.qnt): each attack forks the chain where its guard is
 * taken away, and is stopped where it is not. Quint's own evaluator in TypeScript; nothing is downloaded.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");
const quint = join(root, "tests/node_modules/@informalsystems/quint/dist/src/cli.js");
const model = join(root, "specs/consensus/signing.qnt");

test("each attack forks the chain without its guard, and is stopped with it", async ({
  signal,
}) => {
  const args = [quint, "test", "--backend", "typescript", "--main", "regressions", model];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, signal });
  const passed = [...stdout.matchAll(/ok (\w+) passed/g)].flatMap(([, name]) => name ?? []);
  assert.deepEqual(passed.toSorted(), [
    "commitTest",
    "t13Test",
    "t15HeldTest",
    "t15Test",
    "t1HeldTest",
    "t1Test",
    "t2HeldTest",
    "t2Test",
  ]);
});
