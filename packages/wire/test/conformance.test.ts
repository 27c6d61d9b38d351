/**
 * The wire, frozen: for every schema the hash of many seeded examples' encodings stands in
 * `vectors/conformance.json`. A difference means that hashes and signatures of an older version no
 * longer fit. Approve an intended one with `IOI_APPROVE=1`, in a commit of its own.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom, uintBE } from "@ioi/base";
import * as wire from "@ioi/wire";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const path = join(import.meta.dirname, "../vectors/conformance.json");
const examplesPerSchema = 300;

const isSchema = (value: unknown): value is wire.Schema<unknown> =>
  typeof value === "object" && value !== null && "toCanonical" in value && "example" in value;

const schemas: readonly (readonly [string, wire.Schema<unknown>])[] = Object.entries(
  wire as Readonly<Record<string, unknown>>,
)
  .flatMap(([name, value]) => (isSchema(value) ? [[name, value] as const] : []))
  .sort((a, b) => (a[0] < b[0] ? -1 : 1));

const examples = (
  name: string,
  schema: wire.Schema<unknown>,
  count = examplesPerSchema,
): unknown[] => {
  const random = new SeededRandom(`conformance/${name}`);
  const next = (bound: number): number => random.below(bound);
  return Array.from({ length: count }, () => schema.example(next));
};

const hashOf = (name: string, schema: wire.Schema<unknown>): string => {
  const hash = createHash("sha256");
  for (const example of examples(name, schema)) {
    const encoded = wire.schema.encode(schema, example);
    hash.update(uintBE(encoded.length, 4)).update(encoded);
  }
  return hash.digest("hex");
};

test("every message keeps its encoding", () => {
  const now = Object.fromEntries(
    schemas.map(([name, schema]) => [
      name,
      { examples: examplesPerSchema, sha256: hashOf(name, schema) },
    ]),
  );
  assert.ok(schemas.length >= 15, `${schemas.length} schemas`);
  if (process.env["IOI_APPROVE"] === "1") {
    assert.notEqual(process.env["CI"], "true", "nothing is approved by a machine");
    writeFileSync(path, `${JSON.stringify(now, undefined, 2)}\n`);
  }
  assert.deepEqual(now, JSON.parse(readFileSync(path, "utf8")));
});

for (const [name, schema] of schemas) {
  test(`${name}: what is encoded is decoded, and with a field too many or too few refused`, () => {
    for (const example of examples(name, schema, inner ? 15 : 60)) {
      const encoded = wire.schema.encode(schema, example);
      const decoded = wire.schema.decode(schema, encoded);
      assert.ok(decoded.ok, decoded.ok ? "" : decoded.error.message);
      assert.deepEqual(wire.schema.encode(schema, decoded.value), encoded);

      const value = schema.toCanonical(example);
      if (typeof value !== "object" || value === null || Array.isArray(value)) continue;
      const more = wire.encodeCanonical({ ...value, zz: 1 } as wire.CanonicalValue);
      assert.equal(wire.schema.decode(schema, more).ok, false, "unknown field");
      const [first, ...rest] = Object.entries(value);
      if (first?.[0] !== "version" && first?.[0] !== "type") continue;
      const fewer = wire.encodeCanonical(Object.fromEntries(rest) as wire.CanonicalValue);
      assert.equal(wire.schema.decode(schema, fewer).ok, false, "missing field");
    }
  });
}
