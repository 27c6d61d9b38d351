/**
 * A driver that dies at any point of an effect: the next instance says truly what became of it,
 * nothing is left behind, and what happened can be undone to the nanosecond.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { contentRef, Session, treeState } from "./support.ts";

class Death extends Error {}

type Step = (
  s: Session,
  counter: bigint,
) => Promise<{ readonly outcome?: { readonly status: string } }>;

const content = Buffer.from("new content");
const write =
  (name: string): Step =>
  (s, counter) =>
    s.run(
      "fs::write",
      { path: s.path(name), content: contentRef(content), create: "any" },
      { content, counter },
    );

interface Case {
  readonly step: Step;
  readonly paths: readonly string[];
  /** An effect before the one that dies. */
  readonly first?: Step;
}

const undoFirst: Step = async (s, counter) => {
  const paths = [s.path("a"), s.path("d")];
  return s.run("fs::restore", { counter: 1_000_004n, paths }, { counter });
};

const effects: Readonly<Record<string, Case>> = {
  "an undone deletion": {
    first: (s, counter) => s.run("fs::delete", { path: s.path("d") }, { counter }),
    step: undoFirst,
    paths: ["d"],
  },
  "an undone write": { first: write("a"), step: undoFirst, paths: ["a"] },
  "a new file": { step: write("new"), paths: ["new"] },
  "a replaced file": { step: write("a"), paths: ["a"] },
  "a deleted file": {
    step: (s, counter) => s.run("fs::delete", { path: s.path("a") }, { counter }),
    paths: ["a"],
  },
  "a deleted folder": {
    step: (s, counter) => s.run("fs::delete", { path: s.path("d") }, { counter }),
    paths: ["d"],
  },
  "a moved file": {
    step: (s, counter) => s.run("fs::move", { path: s.path("a"), to: s.path("d/b") }, { counter }),
    paths: ["a", "d/b"],
  },
  "a moved folder": {
    step: (s, counter) => s.run("fs::move", { path: s.path("d/e"), to: s.path("e") }, { counter }),
    paths: ["d/e", "e"],
  },
  "a copied folder": {
    step: (s, counter) => s.run("fs::copy", { path: s.path("d"), to: s.path("c") }, { counter }),
    paths: ["c"],
  },
  "new folders": {
    step: (s, counter) => s.run("fs::mkdir", { path: s.path("m/n/o") }, { counter }),
    paths: ["m/n/o"],
  },
};

const plant = (root: string): void => {
  fs.mkdirSync(path.join(root, "d/e"), { recursive: true });
  fs.writeFileSync(path.join(root, "a"), "old content", { mode: 0o640 });
  fs.writeFileSync(path.join(root, "d/x"), "x");
  fs.writeFileSync(path.join(root, "d/e/y"), "y");
  fs.symlinkSync("x", path.join(root, "d/l"));
  for (const each of ["a", "d/x", "d/e/y", "d/e", "d", ""]) {
    fs.utimesSync(path.join(root, each), 1.5e9 + 0.25, 1.6e9 + 0.125);
  }
};

/** Dies at the `nth` point; tells whether it came that far. */
const dieAt = (
  nth: number,
): { readonly fault: (point: string) => void; died(): string | undefined } => {
  let seen = 0;
  let at: string | undefined;
  return {
    fault: (point) => {
      seen += 1;
      if (seen !== nth) return;
      at = point;
      throw new Death(point);
    },
    died: () => at,
  };
};

const leftovers = (base: string): string[] =>
  fs
    .readdirSync(base, { recursive: true, encoding: "utf8" })
    .filter((each) => /\.ioi-|\.new$/.test(each));

const crashOnce = async (base: string, nth: number, step: Step): Promise<string | undefined> => {
  const death = dieAt(nth);
  const s = new Session({ base, fault: death.fault });
  try {
    await step(s, 1_000_005n);
  } catch (error) {
    if (!(error instanceof Death)) throw error;
  }
  s.close();
  return death.died();
};

const checkAfter = async (
  base: string,
  before: Readonly<Record<string, string>>,
  paths: readonly string[],
  point: string,
): Promise<string> => {
  await using next = new Session({ base });
  const settled = await next.settle(1_000_005n);
  assert.deepEqual(await next.settle(1_000_005n), settled, "settling again answers the same");
  assert.deepEqual(leftovers(base), [], point);
  if (settled.status === "no-effect") assert.deepEqual(treeState(next.root), before, point);
  else {
    assert.equal(settled.reversible, true, point);
    const undone = await next.undo(
      1_000_005n,
      paths.map((each) => next.path(each)),
    );
    assert.deepEqual([undone.errorCode, undone.message], ["", ""], point);
    assert.deepEqual(treeState(next.root), before, `${point}, undone`);
  }
  return settled.status;
};

for (const [what, { step, paths, first }] of Object.entries(effects)) {
  test(`${what}: every death is settled truly`, async () => {
    const seen: string[] = [];
    for (let nth = 1; ; nth++) {
      const base = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-crash-"));
      try {
        const root = path.join(base, "work");
        fs.mkdirSync(root);
        plant(root);
        if (first !== undefined) {
          await using earlier = new Session({ base });
          assert.equal((await first(earlier, 1_000_004n)).outcome?.status, "confirmed");
        }
        const before = treeState(root);
        const point = await crashOnce(base, nth, step);
        if (point === undefined) break;
        seen.push(`${point}: ${await checkAfter(base, before, paths, point)}`);
      } finally {
        fs.rmSync(base, { recursive: true, force: true });
      }
    }
    // Control: the points stand before, inside and after the effect.
    assert.equal(seen[0], "before intent: no-effect");
    assert.equal(seen[1], "intent: no-effect");
    assert.equal(seen.at(-1), "applied: confirmed");
  });
}

test("a counter that began is not acted on again, in the next instance either", async () => {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-crash-"));
  try {
    fs.mkdirSync(path.join(base, "work"));
    await crashOnce(base, 2, write("a"));
    await using next = new Session({ base });
    const again = await write("b")(next, 1_000_005n);
    assert.equal(again.outcome?.status, "refused");
    // Control: another counter is.
    assert.equal((await write("b")(next, 1_000_006n)).outcome?.status, "confirmed");
  } finally {
    fs.rmSync(base, { recursive: true, force: true });
  }
});

test("what somebody else did meanwhile is never called ours", async () => {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-crash-"));
  try {
    fs.mkdirSync(path.join(base, "work"));
    fs.writeFileSync(path.join(base, "work/a"), "old");
    await crashOnce(base, 2, write("a"));
    fs.writeFileSync(path.join(base, "work/a"), "theirs");
    await using next = new Session({ base });
    assert.deepEqual(await next.settle(1_000_005n), { status: "unknown", reversible: false });
    assert.equal(fs.readFileSync(path.join(base, "work/a"), "utf8"), "theirs");
  } finally {
    fs.rmSync(base, { recursive: true, force: true });
  }
});
