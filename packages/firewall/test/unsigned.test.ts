/** What the client of a gate that no person watches may answer for. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action, JsonValue } from "@ioi/wire";
import { answerableUnsigned, canonicalise, decide, type SessionContext } from "../src/index.ts";
import { hashing, home, parseUrl, policy, session } from "./support.ts";

const text = `
[defaults]
verdict = "ask"
[tool.notes]
draft = { group = "organise", reversible = true, roles = { text = "content" } }
tidy = { group = "organise", roles = { text = "content" } }
wipe = { group = "delete", reversible = true, roles = { text = "content" } }
order = { group = "buy", reversible = true, roles = { text = "content" } }
post = { group = "send", reversible = true, roles = { text = "content" } }
login = { group = "organise", reversible = true, roles = { key = "credential" } }
pay = { group = "organise", reversible = true, roles = { sum = "amount" } }
"*" = { group = "read" }
`;

const call = (tool: string, args: { readonly [name: string]: JsonValue }): Action => {
  const given = { server: "notes", tool, arguments: args };
  const supplied = { definition: new Uint8Array(32) };
  const made = canonicalise("mcp::call", given, { roots: [], home, hashing, parseUrl, supplied });
  assert.ok(made.ok, JSON.stringify(made));
  return { version: 1, target: "mcp::call", args: made.value.args, facts: {} };
};

const gate: SessionContext = { ...session, roots: [], gate: true };

const answerable = (
  tool: string,
  args: { readonly [name: string]: JsonValue } = { text: "x" },
  more: {
    readonly session?: SessionContext;
    readonly sources?: readonly (string | readonly ["admin", string])[];
    readonly budgets?: readonly string[];
  } = {},
): boolean => {
  const compiled = policy(...(more.sources ?? [text]));
  const context = {
    session: more.session ?? gate,
    exceededBudgets: more.budgets ?? [],
    grants: [],
  };
  const action = call(tool, args);
  const decision = decide(compiled, action, context);
  assert.equal(decision.verdict, "ask", tool);
  return answerableUnsigned(compiled, action, decision, context.session);
};

describe("an answer that nobody signed", () => {
  it("stands for a call that the policy calls reversible, and for a look", () => {
    assert.equal(answerable("draft"), true);
    assert.equal(answerable("anything"), true);
  });

  it("stands for nothing that cannot be undone, deletes, costs, is sent or uses a secret", () => {
    for (const tool of ["tidy", "wipe", "order", "post"])
      assert.equal(answerable(tool), false, tool);
    assert.equal(answerable("login", { key: "k" }), false);
    assert.equal(answerable("pay", { sum: 3 }), false);
  });

  it("stands for no method of the protocol, whatever the policy says of every tool", () => {
    assert.equal(answerable("#sampling/createMessage", {}), false);
    assert.equal(answerable("#resources/read", {}), false);
  });

  it("stands for nothing of a task, of a budget, or that an administrator asks about", () => {
    const task = { ...gate };
    delete (task as { gate?: true }).gate;
    assert.equal(answerable("draft", { text: "x" }, { session: task }), false);
    assert.equal(answerable("draft", { text: "x" }, { budgets: ["actions"] }), false);
    const rule = `
[[rule]]
id = "look"
effect = "ask"
target = ["mcp::call"]
`;
    assert.equal(answerable("draft", { text: "x" }, { sources: [["admin", rule], text] }), false);
    assert.equal(answerable("draft", { text: "x" }, { sources: [text + rule] }), true);
  });
});
