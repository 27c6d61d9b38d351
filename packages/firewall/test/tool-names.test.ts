/** A tool is the tuple of its server and its name: nothing that joins them takes one for another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { actionId } from "@ioi/crypto";
import { type Action, action as actionSchema, schema } from "@ioi/wire";
import fc from "fast-check";
import { canonicalise, decide } from "../src/index.ts";
import { asked, context, hashing, home, parseUrl, policy } from "./support.ts";

/** Few letters, so that names meet at every border that a joined name could have. */
const letters = fc.constantFrom(..."ab/#%.: ");
const server = fc.string({ unit: letters, minLength: 1, maxLength: 5 });
const long = "x".repeat(120);
const tool = fc.oneof(
  fc.string({ unit: letters, minLength: 1, maxLength: 5 }),
  fc.string({ unit: letters, minLength: 1, maxLength: 3 }).map((end) => long + end),
);
const tuple = fc.tuple(server, tool);
type Tuple = readonly [server: string, tool: string];

/** Either two of them, or the same letters cut at two places. */
const two: fc.Arbitrary<readonly [Tuple, Tuple]> = fc.oneof(
  fc.tuple(tuple, tuple),
  fc
    .tuple(fc.string({ unit: letters, minLength: 3, maxLength: 9 }), fc.nat(), fc.nat())
    .map(([text, a, b]): readonly [Tuple, Tuple] => {
      const cut = (at: number): Tuple => {
        const end = 1 + (at % (text.length - 2));
        return [text.slice(0, end), text.slice(end + 1)];
      };
      return [cut(a), cut(b)];
    }),
);

const call = ([of, name]: Tuple): Action | undefined => {
  const made = canonicalise(
    "mcp::call",
    { server: of, tool: name, arguments: {} },
    { roots: [], home, hashing, parseUrl, supplied: { definition: new Uint8Array(32) } },
  );
  return made.ok
    ? { version: 1, target: "mcp::call", args: made.value.args, facts: {} }
    : undefined;
};

const idOf = (action: Action): string =>
  Buffer.from(actionId(hashing, schema.encode(actionSchema, action))).toString("hex");

const calls = (pair: readonly [Tuple, Tuple]): readonly [Action, Action, boolean] => {
  const [one, other] = [call(pair[0]), call(pair[1])];
  fc.pre(one !== undefined && other !== undefined);
  return [one, other, pair[0][0] === pair[1][0] && pair[0][1] === pair[1][1]];
};

const inner = process.env["IOI_TEST"] === "inner";
const runs = { numRuns: inner ? 300 : 2000 };
const nobody = policy("");

test("two tools have one action, and one name where they ask, only if they are one", () => {
  fc.assert(
    fc.property(two, (pair) => {
      const [one, other, same] = calls(pair);
      assert.equal(idOf(one) === idOf(other), same);
      const named = [one, other].map((each) => asked(decide(nobody, each, context)).join("\n"));
      assert.equal(named[0] === named[1], same, named.join(" | "));
    }),
    runs,
  );
});

test("a rule, and what is said of a tool, are for the tuple that they name", () => {
  fc.assert(
    fc.property(two, (pair) => {
      const [one, other, same] = calls(pair);
      const [name, tool] = pair[0].map((each) => JSON.stringify(each)) as [string, string];
      const compiled = policy(`
[tool.${name}.${tool}]
group = "read"
[[rule]]
id = "no"
effect = "deny"
target = ["mcp::call"]
where.server = { equals = ${name} }
where.tool = { equals = ${tool} }
[[rule]]
id = "described"
effect = "allow"
target = ["mcp::call"]
where.group = { equals = "read" }
`);
      const fired = [one, other].map((each) =>
        decide(compiled, each, context)
          .rules.map(({ id }) => id)
          .join(" "),
      );
      assert.match(fired[0] ?? "", /no.*described/, "the control");
      assert.equal(fired[1], same ? fired[0] : "");
    }),
    { numRuns: inner ? 40 : 300 },
  );
});
