/** Arguments of tools against their schemas, beside another reader of JSON Schema. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "@ioi/base";
import type { JsonValue } from "@ioi/wire";
import { Ajv2020 } from "ajv/dist/2020.js";
import { checkToolArguments } from "../src/index.ts";

const check = (schema: JsonValue, value: JsonValue): string => {
  const checked = checkToolArguments(schema, value);
  return checked.ok ? "" : checked.error;
};

const mail: JsonValue = {
  type: "object",
  $defs: { address: { type: "string", pattern: "^[^@]+@[^@]+$" } },
  properties: {
    to: { type: "array", items: { $ref: "#/$defs/address" }, minItems: 1 },
    cc: { anyOf: [{ type: "array", items: { type: "string" } }, { type: "null" }], default: null },
    rank: { type: "integer", minimum: 1, maximum: 5 },
    kind: { enum: ["a", "b"] },
    inner: { type: "object", properties: { deep: { type: "boolean" } }, required: ["deep"] },
    open: { type: "object", additionalProperties: true },
    any: { type: "object" },
  },
  required: ["to"],
};

describe("arguments of tools", () => {
  it("fit the schema of the pinned definition", () => {
    const fine: readonly JsonValue[] = [
      { to: ["a@b"] },
      { to: ["a@b"], cc: null, rank: 5, kind: "a", inner: { deep: true } },
      { to: ["a@b"], cc: ["x"], open: { whatever: 1 }, any: { whatever: [] } },
    ];
    for (const value of fine) assert.equal(check(mail, value), "", JSON.stringify(value));
  });

  it("are refused with what is wrong", () => {
    const wrong: readonly (readonly [JsonValue, RegExp])[] = [
      [{}, /lacks "to"/],
      [[], /no object/],
      [{ to: [] }, /"to" is below minItems 1/],
      [{ to: ["ab"] }, /"to\[0\]" does not fit its pattern/],
      [{ to: ["a@b"], cc: 3 }, /"cc" fits 0 of the forms/],
      [{ to: ["a@b"], rank: 6 }, /"rank" is above maximum 5/],
      [{ to: ["a@b"], rank: 1.5 }, /"rank" is number, not "integer"/],
      [{ to: ["a@b"], kind: "c" }, /"kind" is none of/],
      [{ to: ["a@b"], inner: {} }, /"inner" lacks "deep"/],
    ];
    for (const [value, pattern] of wrong) assert.match(check(mail, value), pattern);
  });

  it("have no property that nobody was shown", () => {
    assert.match(
      check(mail, { to: ["a@b"], ranks: 1 }),
      /unknown property "ranks" in the arguments; did you mean "rank"/,
    );
    assert.match(
      check(mail, { to: ["a@b"], inner: { deep: true, more: 1 } }),
      /unknown property "more" in "inner"/,
    );
    assert.match(check({ type: "object", properties: {} }, { x: 1 }), /unknown property "x"/);
    const parts: JsonValue = {
      allOf: [{ properties: { a: {} } }, { properties: { b: {} } }],
    };
    assert.equal(check(parts, { a: 1, b: 2 }), "");
    assert.match(check(parts, { a: 1, c: 2 }), /unknown property "c"/);
    assert.match(check(mail, JSON.parse('{"to":["a@b"],"__proto__":1}') as JsonValue), /unknown/);
  });

  it("are read by older drafts too", () => {
    const tuple: JsonValue = {
      properties: { a: { items: [{ type: "string" }], additionalItems: { type: "number" } } },
    };
    assert.equal(check(tuple, { a: ["x", 1] }), "");
    assert.match(check(tuple, { a: ["x", "y"] }), /"a\[1\]" is string/);
    assert.equal(
      check({ properties: { a: { minimum: 1, exclusiveMinimum: true } } }, { a: 2 }),
      "",
    );
  });

  it("end soon, whatever a server wrote", () => {
    const bomb: JsonValue = { properties: { a: { type: "string", pattern: "^(a+)+$" } } };
    assert.match(check(bomb, { a: `${"a".repeat(50_000)}!` }), /does not fit/);
    const loop: JsonValue = { $ref: "#" };
    assert.match(check(loop, {}), /nested too deeply/);
    const wide: JsonValue = {
      $defs: { d: { anyOf: [{ $ref: "#/$defs/d" }, { $ref: "#/$defs/d" }] } },
      $ref: "#/$defs/d",
    };
    assert.match(check(wide, {}), /too long to check|nested too deeply/);
    const away: JsonValue = { $ref: "https://evil.example/schema" };
    assert.match(check(away, {}), /cannot be used: a reference leads outside/);
    const hostile: readonly JsonValue[] = [
      null,
      3,
      "x",
      [],
      { type: 3 },
      { required: "a" },
      { required: [1] },
      { properties: 3 },
      { enum: 1 },
      { $ref: 1 },
      { $ref: "#/nowhere" },
      { allOf: {} },
      { minProperties: "1" },
      { patternProperties: { "(": {} } },
      { properties: { a: { multipleOf: 0 } } },
      { $dynamicRef: "#x" },
    ];
    for (const schema of hostile) assert.equal(typeof check(schema, { a: 1 }), "string");
  });

  it("agree with another reader of JSON Schema on generated schemas", () => {
    const seed = process.env["IOI_SEED"] ?? "tool-schema-1";
    const random = new SeededRandom(seed);
    const pick = <T>(all: readonly T[]): T => all[random.u32() % all.length] as T;
    const chance = (part: number): boolean => random.u32() % 100 < part;
    const scalar = (): JsonValue =>
      pick<JsonValue>([0, 1, 2, 5, 1.5, -1, "", "a", "ab", "abc", true, null]);
    const value = (depth: number): JsonValue => {
      if (depth === 0 || chance(40)) return scalar();
      if (chance(40)) return Array.from({ length: random.u32() % 4 }, () => value(depth - 1));
      return Object.fromEntries(
        pick([["a"], ["a", "b"], ["b", "c"], []] as const).map((name) => [name, value(depth - 1)]),
      );
    };
    const schema = (depth: number): JsonValue => {
      const made: Record<string, JsonValue> = {};
      if (chance(50))
        made["type"] = pick(["string", "integer", "number", "object", "array", "null"]);
      if (chance(15)) made["enum"] = [...new Set([scalar(), scalar(), scalar()])];
      if (chance(10)) made["const"] = scalar();
      if (chance(15)) made["minimum"] = random.u32() % 3;
      if (chance(15)) made["exclusiveMaximum"] = 2;
      if (chance(10)) made["multipleOf"] = pick([1, 2, 0.5]);
      if (chance(15)) made["maxLength"] = 2;
      if (chance(10)) made["pattern"] = pick(["^a", "b$", "^ab?c?$"]);
      if (chance(15)) made["maxItems"] = 2;
      if (chance(10)) made["uniqueItems"] = true;
      if (chance(15)) made["required"] = [pick(["a", "b"])];
      if (chance(10)) made["dependentRequired"] = { a: ["b"] };
      if (depth > 0) {
        if (chance(30)) made["items"] = schema(depth - 1);
        // Not both: the other reader forgets `contains` of a list shorter than its prefix.
        if (chance(10)) made["prefixItems"] = [schema(depth - 1)];
        else if (chance(15)) made["contains"] = schema(depth - 1);
        if (chance(40)) {
          made["properties"] = { a: schema(depth - 1), b: schema(depth - 1) };
        }
        if (chance(10)) made["patternProperties"] = { "^b": schema(depth - 1) };
        if (chance(10)) made["propertyNames"] = { maxLength: 1 };
        for (const key of ["anyOf", "oneOf", "allOf"] as const) {
          if (chance(10)) made[key] = [schema(depth - 1), schema(depth - 1)];
        }
        if (chance(10)) made["not"] = schema(depth - 1);
        if (chance(10)) for (const key of ["if", "then", "else"]) made[key] = schema(0);
      }
      // Here objects are as open as JSON Schema has them; closing them is tested above.
      return { additionalProperties: true, ...made };
    };
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    let valid = 0;
    for (let round = 0; round < 800; round++) {
      const made = { type: "object", properties: { x: schema(2) }, required: ["x"] };
      const given = { x: value(2) };
      const expected = ajv.validate(made, given) as boolean;
      if (expected) valid++;
      const found = check(made, given);
      const shown = `seed ${seed}: ${JSON.stringify(made)} ${JSON.stringify(given)}: ${found}`;
      assert.equal(found === "", expected, shown);
    }
    assert.ok(valid > 80 && valid < 720, `${valid} fit`);
  });
});
