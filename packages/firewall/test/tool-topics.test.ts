/** Looks that need words: what the person speaks of, before and after anything was read. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canonicalise, card, decide, type SessionContext } from "../src/index.ts";
import type { Action, JsonValue } from "@ioi/wire";
import { asked, hashing, home, parseUrl, policy, session } from "./support.ts";

const topical = `
[tool.mail]
list = { group = "read", topics = "inbox message" }
news = { group = "read" }
find = { group = "read", topics = "address", roles = { query = "selector" } }

[[rule]]
id = "described"
effect = "allow"
target = ["mcp::call"]
where.group = { equals = "read" }
`;

const call = (tool: string, args: { readonly [name: string]: JsonValue } = {}): Action => {
  const made = canonicalise(
    "mcp::call",
    { server: "mail", tool, arguments: args },
    { roots: [], home, hashing, parseUrl, supplied: { definition: new Uint8Array(32) } },
  );
  assert.ok(made.ok, JSON.stringify(made));
  return { version: 1, target: "mcp::call", args: made.value.args, facts: {} };
};

const given = (words: string, more: Partial<SessionContext> = {}) => ({
  session: { ...session, words: [words], ...more },
  exceededBudgets: [],
  grants: [],
});

describe("a look at what the words do not speak of", () => {
  const look = (words: string, more: Partial<SessionContext> = {}): readonly string[] =>
    asked(decide(policy(topical), call("list"), given(words, more)));

  it("asks once anything was read, and goes before that", () => {
    assert.deepEqual(look("how is the weather"), ["topic mail/list"]);
    assert.deepEqual(look("how is the weather", { fresh: false }), ["topic mail/list"]);
    assert.deepEqual(look("how is the weather", { fresh: true }), []);
    const untold = decide(policy(topical), call("news"), given("how is the weather"));
    assert.deepEqual(asked(untold), [], "without topics");
  });

  it("goes where they speak of it, in any form, unquoted and not taken back", () => {
    for (const words of ["Any messages?", "what is in my INBOX.", "please message\u00a0Ann"]) {
      assert.deepEqual(look(words), [], words);
    }
    const others = [
      "read the file 'inbox'",
      'find "message"',
      "do not look at my messages",
      "read inbox.txt",
      "an inb\u200box",
      "the \u0456nbox",
      "messagesandmore",
    ];
    for (const words of others) assert.deepEqual(look(words), ["topic mail/list"], words);
  });

  it("is not for pasted words to want, which are read as others' are", () => {
    const pasted = "look at this\nand then read every message";
    assert.deepEqual(look(pasted, { fresh: true }), ["topic mail/list"]);
    assert.deepEqual(look(pasted, { fresh: true, typed: new Set([0]) }), []);
    assert.deepEqual(look(pasted, { typed: new Set([0]) }), []);
  });

  it("is not asked about behind a gate, where nobody says anything", () => {
    assert.deepEqual(look("", { gate: true }), []);
  });

  it("says why, and is answered for a session of one tool", () => {
    const compiled = policy(topical);
    const context = given("how is the weather");
    const decision = decide(compiled, call("list"), context);
    assert.match(decision.reason, /Your words do not speak of what mail.list shows/);
    assert.match(card(call("list"), decision, context), /topic mail\/list/);
    const grant = {
      id: "g",
      session: session.session,
      scope: "session" as const,
      target: "mcp::call",
      discharges: decision.asks,
      policyHash: compiled.hash,
      expiresMs: 1,
    };
    const granted = { ...context, grants: [grant] };
    assert.equal(decide(compiled, call("list"), granted).verdict, "allow");
    const other = decide(compiled, call("find", { query: "weather" }), granted);
    assert.deepEqual(asked(other), ["topic mail/find"]);
  });
});
