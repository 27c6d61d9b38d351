/** The Jellyfish tree keeps every promise of a tree; a broken one does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InvariantError } from "@ioi/base";
import { jellyfish, type TreeKind } from "@ioi/state";
import { treeCases } from "@ioi/state/compliance";
import { hashing } from "./support.ts";

for (const { name, run } of treeCases) {
  test(`jellyfish: ${name}`, () => run(jellyfish, hashing));
}

const broken: readonly (readonly [string, TreeKind])[] = [
  ["believes every proof", { ...jellyfish, verifyPresent: () => ({ ok: true, value: true }) }],
  ["believes every absence", { ...jellyfish, verifyAbsent: () => ({ ok: true, value: true }) }],
  [
    "never deletes",
    {
      ...jellyfish,
      open: (store, hashing) => {
        const tree = jellyfish.open(store, hashing);
        return new Proxy(tree, {
          get: (target, name) => {
            if (name === "delete") return () => undefined;
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === "function" ? (value as () => unknown).bind(target) : value;
          },
        });
      },
    },
  ],
];

for (const [what, kind] of broken) {
  test(`the cases find a tree that ${what}`, () => {
    const failed = treeCases.filter(({ run }) => {
      try {
        run(kind, hashing);
        return false;
      } catch (error) {
        assert.ok(error instanceof InvariantError);
        return true;
      }
    });
    assert.ok(failed.length > 0);
  });
}
