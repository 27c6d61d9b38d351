/** What the editor of the policy offers, and where a problem stands. */
import assert from "node:assert/strict";
import test from "node:test";
import { vocabulary } from "@ioi/firewall";
import { offersAt, parseWords, spanAt } from "../src/pure/policy-words.ts";

const words = parseWords(JSON.stringify(vocabulary()));

/** Offers at the mark. */
const at = (marked: string): readonly string[] | undefined => {
  const place = marked.indexOf("|");
  const source = marked.slice(0, place) + marked.slice(place + 1);
  return offersAt(source, place, words)?.options.map(({ label }) => label);
};

const rule = (line: string): string =>
  `version = 1\n[[rule]]\nid = "a"\ntarget = ["fs::move"]\n${line}\n\n[budget.session]\nactions = 1\n`;

test("targets are offered in the list of targets, with their groups, and nowhere else", () => {
  const offered = at('[[rule]]\ntarget = ["fs::|"]');
  assert.ok(offered?.includes("fs::move") && offered.includes("sys::exec"));
  assert.ok(offered?.includes("fs::*"));
  assert.ok(at('[[rule]]\ntarget = [\n  "fs::read",\n  "f|')?.includes("fs::write"));
  assert.equal(at('[[rule]]\nid = "fs|"'), undefined);
  assert.equal(at('[[rule]]\ntarget = ["fs::read"]\nreason = "fs|"'), undefined);
});

test("a rule is offered the arguments of its targets first, then the keys that it lacks", () => {
  const offered = at(rule("|")) ?? [];
  assert.deepEqual(offered.slice(0, 2), ["where.path", "where.to"]);
  assert.ok(offered.includes("effect") && offered.includes("shadow"));
  assert.ok(!offered.includes("id") && !offered.includes("target"));
  const shared = at('[[rule]]\ntarget = ["fs::move", "fs::read"]\nwh|') ?? [];
  assert.ok(shared.includes("where.path") && !shared.includes("where.to"));
});

test("a condition is offered the keys of its argument's type", () => {
  const path = at(rule("where.path = { gl|")) ?? [];
  assert.ok(path.includes("glob") && path.includes("one_of") && !path.includes("min"));
  const second = at(rule('where.path = { glob = "scope:/**", |')) ?? [];
  assert.ok(second.includes("not"));
  const argv = at('[[rule]]\ntarget = ["sys::exec"]\nwhere.argv = { |') ?? [];
  assert.ok(argv.includes("program") && argv.includes("profile"));
});

test("values that are fixed, keys of tables and tables themselves", () => {
  assert.deepEqual(at(rule("effect = |")), ['"allow"', '"ask"', '"deny"']);
  assert.deepEqual(at("[defaults]\nverdict = |"), ['"ask"', '"deny"']);
  assert.ok(at("[budget.session]\n|")?.includes("wall_minutes"));
  assert.ok(at("[workspace.home]\n|")?.includes("access"));
  assert.ok(at('[rate."fs::write"]\n|')?.includes("all_per_hour"));
  assert.ok(at('[tool."mail"."send"]\n|')?.includes("roles"));
  assert.ok(at("[|")?.includes("[[rule]]") && !at("[|")?.includes("[when]"));
  assert.ok(at(rule("when = { |"))?.includes("days"));
  assert.equal(at("# a comm|"), undefined);
  assert.equal(at("actions = |"), undefined);
});

test("what is no JSON offers nothing", () => {
  assert.deepEqual(offersAt("[", 1, parseWords("{")), { from: 0, options: [] });
});

test("a place is the word at its line and column, or its whole line", () => {
  const source = 'version = 1\nid = "a b"\n\nx';
  const span = (line: number, column: number): string => {
    const { from, to } = spanAt(source, line, column);
    return source.slice(from, to);
  };
  assert.equal(span(1, 1), "version");
  assert.equal(span(2, 6), '"a b"');
  assert.equal(span(3, 1), "");
  assert.equal(span(9, 9), "x");
  assert.equal(span(2, 99), 'id = "a b"');
});

test("the words name every target and only keys that the loader takes", () => {
  assert.ok(words.targets.length > 20);
  assert.ok(words.keys.get("rule")?.includes("shadow"));
  assert.ok([...words.conditions.keys()].includes("path"));
});
