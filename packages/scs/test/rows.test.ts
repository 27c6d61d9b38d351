/** What an open file keeps of each memory: rows in columns, and hashes of texts, against plain arrays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import type { Kept } from "../src/kept.ts";
import { Rows } from "../src/rows.ts";
import { nothing, TextHashes } from "../src/substrate/text-hashes.ts";

const seed = process.env["IOI_SEED"] ?? "rows";

const keptOf = (random: SeededRandom, id: number): Kept => {
  const orNone = (): number | undefined => (random.chance(1, 5) ? random.below(1000) : undefined);
  const offset = 2 ** 33 + id * 512;
  return {
    class: random.chance(1, 50) ? 2 ** 32 - 1 : 0,
    leaf: id + random.below(3),
    offset,
    length: random.below(9000),
    keyOffset: random.chance(1, 9) ? 0 : offset - 136,
    isKeyDamaged: random.chance(1, 9),
    commit: Math.floor(id / 100),
    tombedIn: orNone(),
    supersededIn: orNone(),
    supersededBy: orNone(),
    forgotten: random.chance(1, 9),
  };
};

test("rows give back what was put in, changed or not, and the same from their bytes", () => {
  const random = new SeededRandom(seed);
  const plain: Kept[] = [];
  const rows = new Rows();
  for (let id = 0; id < 2000; id++) {
    const kept = keptOf(random, id);
    plain.push(kept);
    rows.push(kept);
    if (!random.chance(1, 4)) continue;
    const at = random.below(plain.length);
    const changed = keptOf(random, at);
    plain[at] = changed;
    rows.set(at, changed);
  }
  const all = (from: Rows) => plain.map((_, id) => from.get(id));
  assert.deepEqual(all(rows), plain, seed);
  assert.deepEqual(all(Rows.decode(rows.encode())), plain, seed);
  for (const id of [-1, 0.5, plain.length, Number.NaN]) assert.equal(rows.get(id), undefined);
});

test("hashes of texts: the first one that had it is found, until it is forgotten", () => {
  const random = new SeededRandom(seed);
  const hashes = new TextHashes();
  const plain: number[] = [];
  const firsts = new Map<number, number>();
  for (let id = 0; id < 5000; id++) {
    // Few enough to come twice, and as large as 48 bits are.
    const hash = random.chance(1, 20) ? nothing : 2 ** 48 - 1 - random.below(4000);
    hashes.push(hash);
    plain.push(hash);
    if (hash !== nothing && !firsts.has(hash)) firsts.set(hash, id);
    if (!random.chance(1, 10)) continue;
    const gone = random.below(plain.length);
    hashes.clear(gone);
    const had = plain[gone] ?? nothing;
    if (firsts.get(had) === gone) firsts.delete(had);
    plain[gone] = nothing;
  }
  assert.deepEqual(
    plain.map((_, id) => hashes.at(id)),
    plain,
    seed,
  );
  for (let hash = 2 ** 48 - 4000; hash < 2 ** 48; hash++) {
    assert.equal(hashes.find(hash), firsts.get(hash), `${seed} ${hash}`);
  }
  assert.equal(hashes.at(plain.length), undefined);
});
