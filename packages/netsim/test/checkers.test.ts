/** Which conflicts break a promise: by the epoch's powers, and by what was certified after what. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { member, setOf } from "@ioi/consensus/testing";
import { type Committing, conflictsOf } from "@ioi/netsim";

const members = [1n, 1n, 1n, 1n, 1n].map((power, i) => member(`${i}`, power));
const equal = setOf(members);
const heavy = setOf([...members.slice(0, 4), member("4", 3n)]);

/** A host that committed one block by certificates of that power at that view, and then went on. */
const host = (digest: string, validator: number, view: bigint, power: bigint, on = view) => {
  const held = [{ set: equal, power, view, below: undefined }];
  const { gid } = members[validator]?.entry ?? { gid: new Uint8Array() };
  const committed = [{ header: { view: on } }];
  return { height: 1, digests: [digest], held, committed, plan: { validator, gid } };
};
const isBroken = (nodes: readonly Committing[], broken: readonly number[]): boolean => {
  const [conflict] = conflictsOf(nodes);
  assert.ok(conflict !== undefined);
  return conflict.broke(broken);
};

test("a weak commit is lost to a later one where a Guardian is broken, and not otherwise", () => {
  const copy = { validator: 4, gid: members[4]?.entry.gid ?? new Uint8Array() };
  const weak = host("a", 0, 3n, 3n);
  const strong = host("b", 1, 9n, 5n);
  assert.equal(isBroken([weak, { ...strong, plan: copy }], [4]), false, "what came first was weak");
  assert.equal(isBroken([weak, strong], []), true, "no Guardian is broken");
  const late = host("b", 1, 9n, 3n);
  const first = host("a", 0, 3n, 5n);
  assert.equal(isBroken([first, { ...late, plan: copy }], [4]), true, "what came first was strong");
  const old = host("a", 0, 3n, 3n, 10n);
  assert.equal(isBroken([old, { ...strong, plan: copy }], [4]), true, "the weak one went on later");
});

test("a commit is held by the end of the epoch below it, too", () => {
  const end = { set: equal, power: 3n, view: 2n, below: undefined };
  const strong = { set: equal, power: 5n, view: 5n, below: end };
  const one = { ...host("a", 0, 5n, 5n), held: [strong] };
  const copy = { ...host("b", 4, 9n, 3n) };
  assert.equal(isBroken([one, copy], [4]), false);
  const held = [{ ...strong, below: { ...end, power: 5n } }];
  assert.equal(isBroken([{ ...one, held }, copy], [4]), true);
});

test("powers of broken Guardians are those of the set in which it was committed", () => {
  const copy = host("b", 4, 9n, 5n);
  const of = (set: typeof equal) => [{ set, power: 5n, view: 3n, below: undefined }];
  const one = host("a", 0, 3n, 5n);
  // Of equal ones five of five are to survive one; of 1, 1, 1, 1, 3 five of seven are to survive one.
  assert.equal(isBroken([{ ...one, held: of(equal) }, copy], [4]), true);
  assert.equal(isBroken([{ ...one, held: of(heavy) }, copy], [4]), false);
});
