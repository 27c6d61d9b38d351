import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isContent, typedAfter } from "../src/pure/typed.ts";

describe("what was typed", () => {
  it("is not what was pasted in several lines, or is long", () => {
    assert.equal(isContent("jane@example.com"), false);
    assert.equal(isContent("a".repeat(200)), false);
    assert.equal(isContent("a".repeat(201)), true);
    for (const end of ["\n", "\r", "\u2028", "\u2029", "\u0085"]) {
      assert.equal(isContent(`one${end}two`), true);
    }
  });
  it("begins anew in an empty field", () => {
    assert.equal(typedAfter(false, "more"), false);
    assert.equal(typedAfter(true, "more"), true);
    assert.equal(typedAfter(false, ""), true);
  });
});
