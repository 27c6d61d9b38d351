/** Random trees, random sequences, undone backwards: the tree is the same to the nanosecond. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Session, treeState } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

type Op =
  | { readonly type: "write"; readonly at: number; readonly name: string; readonly text: string }
  | { readonly type: "mkdir"; readonly at: number; readonly name: string }
  | {
      readonly type: "copy" | "move";
      readonly from: number;
      readonly at: number;
      readonly name: string;
    }
  | { readonly type: "delete"; readonly from: number };

const names = fc.constantFrom("a", "b", "c", "d.txt", "é", "x y", ".h");
const index = fc.nat(30);
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ type: fc.constant("write" as const), at: index, name: names, text: fc.string() }),
  fc.record({
    type: fc.constant("mkdir" as const),
    at: index,
    name: fc.constantFrom("n", "n/m", "c/o"),
  }),
  fc.record({
    type: fc.constantFrom("copy" as const, "move" as const),
    from: index,
    at: index,
    name: names,
  }),
  fc.record({ type: fc.constant("delete" as const), from: index }),
);

interface Seeded {
  readonly folders: readonly string[];
  readonly files: readonly {
    readonly name: string;
    readonly text: string;
    readonly mode: number;
  }[];
}
const tree: fc.Arbitrary<Seeded> = fc.record({
  folders: fc.uniqueArray(fc.constantFrom("a", "b", "a/c", "a/c/d", "b/é"), { maxLength: 5 }),
  files: fc.array(
    fc.record({
      name: fc.constantFrom("f", "a/f", "b/g", "a/c/h", "a/c/d/i"),
      text: fc.string(),
      mode: fc.constantFrom(0o644, 0o600, 0o755, 0o4755, 0o440),
    }),
    { maxLength: 5 },
  ),
});

const plant = (root: string, seeded: Seeded): void => {
  for (const folder of seeded.folders) fs.mkdirSync(path.join(root, folder), { recursive: true });
  for (const { name, text, mode } of seeded.files) {
    const file = path.join(root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.rmSync(file, { force: true });
    fs.writeFileSync(file, text);
    fs.chmodSync(file, mode);
    fs.utimesSync(file, 1e9 + text.length / 7, 1e9 + text.length / 3);
  }
  if (!fs.existsSync(path.join(root, "lnk"))) fs.symlinkSync("nowhere", path.join(root, "lnk"));
  for (const [index, folder] of seeded.folders.entries()) {
    fs.chmodSync(path.join(root, folder), [0o755, 0o700, 0o2775, 0o555][index % 4] ?? 0o755);
  }
  for (const folder of ["", ...seeded.folders]) {
    fs.utimesSync(path.join(root, folder), 1.1e9 + 0.123456, 1.2e9 + 0.654321);
  }
};

const everything = (root: string): string[] =>
  fs.readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
const folders = (root: string): string[] =>
  ["", ...everything(root)].filter((each) => fs.lstatSync(path.join(root, each)).isDirectory());

const perform = async (s: Session, one: Op): ReturnType<Session["run"]> => {
  const pick = (list: readonly string[], at: number): string => list[at % list.length] ?? "";
  const target = (at: number, name: string): string =>
    s.path(path.join(pick(folders(s.root), at), name));
  switch (one.type) {
    case "write":
      return s.write(path.relative(s.root, target(one.at, one.name)), one.text);
    case "mkdir":
      return s.run("fs::mkdir", { path: target(one.at, one.name) });
    case "delete":
      return s.run("fs::delete", { path: s.path(pick(everything(s.root), one.from)) });
    default:
      return s.run(`fs::${one.type}`, {
        path: s.path(pick(everything(s.root), one.from)),
        to: target(one.at, one.name),
      });
  }
};

test("every sequence undone backwards gives the same tree", async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.array(op, { minLength: 1, maxLength: 8 }), async (seeded, ops) => {
      await using s = new Session();
      plant(s.root, seeded);
      const states = [treeState(s.root)];
      const done: { readonly counter: bigint; readonly paths: readonly string[] }[] = [];
      for (const one of ops) {
        const ran = await perform(s, one);
        if (ran.outcome?.status !== "confirmed") {
          assert.deepEqual(treeState(s.root), states.at(-1), `${ran.errorCode} left a trace`);
          continue;
        }
        assert.equal(ran.outcome.reversible, true);
        const { path: at, to } = ran.action?.args ?? {};
        const paths = [at, to].filter((each) => typeof each === "string");
        done.push({ counter: ran.counter, paths });
        states.push(treeState(s.root));
      }
      for (const { counter, paths } of done.toReversed()) {
        states.pop();
        const undone = await s.undo(counter, paths);
        assert.deepEqual(
          [undone.outcome?.status ?? undone.errorCode, undone.message],
          ["confirmed", ""],
        );
        assert.deepEqual(treeState(s.root), states.at(-1));
      }
    }),
    { numRuns: inner ? 5 : 20 },
  );
});
