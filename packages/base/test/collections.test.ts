import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BoundedQueue, InvariantError, Lru } from "../src/index.ts";

test("a queue is an array that refuses beyond its capacity", () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant("push" as const), value: fc.nat() }),
    fc.record({ type: fc.constant("shift" as const) }),
    fc.record({ type: fc.constant("clear" as const) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step), (capacity, steps) => {
      const queue = new BoundedQueue<number>(capacity);
      let model: number[] = [];
      for (const it of steps) {
        if (it.type === "push") {
          const fits = model.length < capacity;
          assert.equal(queue.push(it.value), fits);
          if (fits) model.push(it.value);
        } else if (it.type === "shift") assert.equal(queue.shift(), model.shift());
        else {
          queue.clear();
          model = [];
        }
        assert.equal(queue.size, model.length);
        assert.equal(queue.peek(), model[0]);
      }
    }),
  );
});

test("an LRU map forgets what was used longest ago", () => {
  const step = fc.record({
    type: fc.constantFrom("get" as const, "set" as const, "delete" as const),
    key: fc.nat(7),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step), (capacity, steps) => {
      const lru = new Lru<number, number>(capacity);
      let model: [number, number][] = [];
      steps.forEach(({ type, key }, value) => {
        const found = model.find(([other]) => other === key);
        if (type === "get") {
          assert.equal(lru.get(key), found?.[1]);
          if (found !== undefined) model = [...model.filter((entry) => entry !== found), found];
        } else if (type === "set") {
          model = [...model.filter((entry) => entry !== found), [key, value]];
          const forgotten = model.length > capacity ? model.shift() : undefined;
          assert.deepEqual(lru.set(key, value), forgotten);
        } else {
          assert.equal(lru.delete(key), found !== undefined);
          model = model.filter((entry) => entry !== found);
        }
        assert.equal(lru.size, model.length);
        for (const [other] of model) assert.ok(lru.has(other));
      });
      lru.clear();
      assert.equal(lru.size, 0);
    }),
  );
});

test("an undefined value is a value", () => {
  const queue = new BoundedQueue<undefined>(1);
  assert.equal(queue.push(undefined), true);
  assert.equal(queue.push(undefined), false);
  const lru = new Lru<string, undefined>(2);
  lru.set("a", undefined);
  lru.set("b", undefined);
  lru.get("a");
  assert.deepEqual(lru.set("c", undefined), ["b", undefined]);
});

test("a container needs a capacity", () => {
  for (const capacity of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => new BoundedQueue(capacity), InvariantError);
    assert.throws(() => new Lru(capacity), InvariantError);
  }
});
