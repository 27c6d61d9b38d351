/** Policies below the person's only narrow: rules, budgets and rates of several tiers together. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type CompiledPolicy, compilePolicy, decide, type PolicySource } from "../src/index.ts";
import { act, context, hashing, rule } from "./support.ts";

const rank = { deny: 0, ask: 1, allow: 2 } as const;
const globs = ["scope:/**", "scope:/a/**", "scope:/a/*.txt", "scope:/b/**"];
const targets = ["fs::read", "fs::stat", "fs::write"];
const extras = ["", 'when = { days = ["mon"] }', 'where.content = { contains = "x" }'];

const ruleOf = fc.record({
  effect: fc.constantFrom("allow", "ask", "deny"),
  target: fc.constantFrom(...targets),
  glob: fc.constantFrom(...globs),
  extra: fc.constantFrom(...extras),
});

type Made = typeof ruleOf extends fc.Arbitrary<infer T> ? T : never;

const textOf = (rules: readonly Made[], lower: boolean): string =>
  rules
    .filter(({ effect, target, extra }) => {
      if (lower && effect === "allow") return false;
      return target === "fs::write" || !extra.includes("content");
    })
    .map(({ effect, target, glob, extra }, at) =>
      rule(`r${at}`, effect, target, `where.path = { glob = "${glob}" }\n${extra}`),
    )
    .join("");

const compiled = (sources: readonly PolicySource[]): CompiledPolicy => {
  const made = compilePolicy(sources, hashing);
  assert.ok(made.ok, made.ok ? "" : JSON.stringify(made.error));
  return made.value;
};

const source = (tier: PolicySource["tier"], text: string): PolicySource => ({
  tier,
  file: `${tier}.toml`,
  text: `version = 1\n${text}`,
});

const actions = targets.flatMap((target) =>
  ["scope:/a/x.txt", "scope:/a/x.pdf", "scope:/b/x", "scope:/x"].map((path) =>
    act(target, { path }),
  ),
);

describe("a policy below the person's", () => {
  it("lets go nothing that was not let go without it, and its obligations are added", () => {
    const lowerTier = fc.constantFrom("project", "skill", "session", "delegation" as const);
    fc.assert(
      fc.property(
        fc.array(ruleOf, { maxLength: 6 }),
        fc.array(ruleOf, { maxLength: 4 }),
        fc.array(ruleOf, { maxLength: 4 }),
        lowerTier,
        fc.boolean(),
        (own, first, second, tier, monday) => {
          const user = source("user", textOf(own, false));
          const parent = compiled([user]);
          const between = source(tier, textOf(first, true));
          const child = compiled([user, between]);
          // A delegation of a delegation: what both refuse, and what either does.
          const both = compiled([
            user,
            between,
            source(tier === "delegation" ? "session" : "delegation", textOf(second, true)),
          ]);
          const time = {
            nowMs: Date.UTC(2026, 0, monday ? 5 : 6, 12),
            localOffsetMinutes: 0,
          };
          for (const action of actions) {
            const [one, two, three] = [parent, child, both].map((policy) =>
              decide(policy, action, { ...context, time }),
            );
            assert.ok(one !== undefined && two !== undefined && three !== undefined);
            assert.ok(rank[two.verdict] <= rank[one.verdict], `${one.verdict} ${two.verdict}`);
            assert.ok(rank[three.verdict] <= rank[two.verdict], `${two.verdict} ${three.verdict}`);
            if (three.verdict !== "allow") continue;
            const content = (each: typeof one) =>
              each.obligations.filter(({ type }) => type === "content").length;
            assert.ok(content(three) >= content(two) && content(two) >= content(one));
          }
        },
      ),
      { numRuns: process.env["IOI_TEST"] === "inner" ? 40 : 300 },
    );
  });
  it("lowers budgets and rates, and raises none", () => {
    const user = source(
      "user",
      '[budget.session]\nactions = 50\n[rate."fs::read"]\nper_minute = 9',
    );
    const wider = source(
      "delegation",
      '[budget.session]\nactions = 90\n[rate."fs::read"]\nper_minute = 90',
    );
    const lower = source(
      "delegation",
      '[budget.session]\nactions = 5\n[rate."fs::read"]\nper_minute = 2\n[rate."fs::stat"]\nper_day = 1',
    );
    const boundsOf = (sources: readonly PolicySource[]) => {
      const { budgets, rates } = compiled(sources);
      return [budgets.actions, ...rates.map(({ id, max }) => `${id} ${max}`)];
    };
    assert.deepEqual(boundsOf([user, wider]), [50, "fs::read per_minute 9"]);
    assert.deepEqual(boundsOf([user, lower]), [5, "fs::read per_minute 2", "fs::stat per_day 1"]);
  });
});
