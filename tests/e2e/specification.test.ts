/**
 * The signing rule, ends of epochs and grade S in Quint (specs/consensus): each attack forks the chain where
 * its guard is taken away, and is stopped where it is not. Quint's own evaluator in TypeScript; nothing is
 * downloaded.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");
const quint = join(root, "tests/node_modules/@informalsystems/quint/dist/src/cli.js");

const specifications = [
  {
    file: "signing.qnt",
    main: "regressions",
    tests: "commitTest t13Test t15HeldTest t15Test t1HeldTest t1Test t2HeldTest t2Test".split(" "),
  },
  {
    file: "epochs.qnt",
    main: "ends",
    tests: ["againHeldTest", "againTest", "f2WaitTest", "t19HeldTest", "t19Test"],
  },
  {
    file: "guarded.qnt",
    main: "guarded",
    tests: ["guardedTest", "heldTest", "newerTest", "partialTest"],
  },
];

for (const { file, main, tests } of specifications) {
  test(`${file}: attacks need their guards to be gone`, async ({ signal }) => {
    const model = join(root, "specs/consensus", file);
    const args = [quint, "test", "--backend", "typescript", "--main", main, model];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, signal });
    const passed = [...stdout.matchAll(/ok (\w+) passed/g)].flatMap(([, name]) => name ?? []);
    assert.deepEqual(passed.toSorted(), tests);
  });
}
