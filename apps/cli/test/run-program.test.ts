/** `ioi run -- CMD`: what is typed becomes exactly that command, and the hosts that were named. */
import assert from "node:assert/strict";
import test from "node:test";
import { plan } from "@ioi/agent";
import fc from "fast-check";
import { placeOf, quoted } from "../src/commands/run-program.ts";
import { withProgram } from "../src/program-sessions.ts";

test("two dashes make it a program; agents and requests stay what they are", () => {
  assert.deepEqual(withProgram(["run", "--", "ls"]), ["run", "program", "--", "ls"]);
  const named = ["--network", "a.example", "--", "ls", "--", "x"];
  assert.deepEqual(withProgram(["run", ...named]), ["run", "program", ...named]);
  for (const argv of [
    ["run", "/list ."],
    ["run", "agent", "DIR", "--", "words"],
    ["run", "program", "--", "ls"],
    ["gate", "mcp", "--", "server"],
    ["--", "run"],
  ]) {
    assert.deepEqual(withProgram(argv), argv);
  }
});

test("whatever the words are, the planner reads these very words", () => {
  const word = fc.string({ maxLength: 30 }).filter((text) => !text.includes("\0"));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), (argv) => {
      const planned = plan(`/run --network ${argv.map(quoted).join(" ")}`);
      assert.ok(planned.ok, planned.ok ? "" : planned.error.message);
      const [step] = planned.value;
      assert.ok(step?.type === "act");
      assert.deepEqual(step.args, { argv, network: "egress" });
    }),
    { numRuns: 300 },
  );
});

test("a host is named in any spelling, and meant in one", () => {
  assert.deepEqual(placeOf("Packages.Example.com"), { host: "packages.example.com", port: 443 });
  assert.deepEqual(placeOf("a.example:8080"), { host: "a.example", port: 8080 });
  assert.deepEqual(placeOf("0x7f.1:80"), { host: "127.0.0.1", port: 80 });
  assert.deepEqual(placeOf("[::1]:80"), { host: "::1", port: 80 });
  for (const wrong of [
    "",
    "http://a.example",
    "a.example/x",
    "me@a.example",
    "a.example:0",
    "a b",
  ]) {
    assert.throws(() => placeOf(wrong), /--network takes a host/, wrong);
  }
});
