import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromBase64, toBase64 } from "@ioi/base";

const seed = Number(process.env["IOI_SEED"] ?? 4648);

test("base64 is the platform's, both ways", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const text = Buffer.from(bytes).toString("base64");
      assert.equal(toBase64(bytes), text);
      assert.deepEqual(fromBase64(text), bytes);
    }),
    { seed },
  );
});

test("only the one encoding of some bytes is accepted", () => {
  const almost = fc.stringMatching(/^[A-Za-z0-9+/=\-_ \n]{0,12}$/);
  fc.assert(
    fc.property(almost, (text) => {
      const bytes = fromBase64(text);
      if (bytes !== undefined) assert.equal(toBase64(bytes), text);
    }),
    { seed, numRuns: 2000 },
  );
  for (const text of ["AB==", "AAB=", "A", "AAA", "=", "====", "AA=A", "A===", "QQ==\n", "Q-=="]) {
    assert.equal(fromBase64(text), undefined, text);
  }
});
