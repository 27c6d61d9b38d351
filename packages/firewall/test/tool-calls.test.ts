/** Calls of tools: roles, grounding, groups, links, look-ups, conditions, grants and cards. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AnswerOrigins,
  canonicalise,
  card,
  check,
  decide,
  decodeOrigins,
  diffPolicies,
  encodeOrigins,
  originsOf,
  type SessionContext,
  type TrustedValue,
} from "../src/index.ts";
import type { Action, AskSource, JsonValue } from "@ioi/wire";
import { asked, complaints, hashing, home, parseUrl, policy, session } from "./support.ts";

const mail = `
[tool.mail]
find = { group = "read", roles = { query = "selector" } }
list = { group = "read" }
make = { group = "organise", roles = { name = "selector", text = "content" } }
remove = { group = "delete", roles = { id = "selector" } }
login = { group = "organise", roles = { password = "credential" } }

[tool.mail.send]
group = "send"
roles = { to = "destination", "files[].id" = "selector", text = "content", deep.who = "destination" }

[grounding]
trusted = [
  { tool = { server = "mail", tool = "find" }, field = "[].email" },
  { tool = { server = "mail", tool = "find" }, field = "[].id" },
  { tool = { server = "mail", tool = "make" }, field = "id" },
]

[[rule]]
id = "described"
effect = "allow"
target = ["mcp::call"]
where.group = { one_of = ["read", "organise", "send", "delete"] }
`;

const call = (
  tool: string,
  args: { readonly [name: string]: JsonValue },
  server = "mail",
): Action => {
  const made = canonicalise(
    "mcp::call",
    { server, tool, arguments: args },
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

const asks = (
  words: string,
  tool: string,
  args: { readonly [name: string]: JsonValue },
  more: Partial<SessionContext> = {},
  text = mail,
): readonly string[] => asked(decide(policy(text), call(tool, args), given(words, more)));

const looked = (field: string, text: string, tool = "find"): TrustedValue => ({
  server: "mail",
  tool,
  counter: 7n,
  field,
  text,
});

describe("calls of tools", () => {
  it("go without asking where every name is the person's own and the words mean the group", () => {
    assert.deepEqual(
      asks("Send ann@x.org the news", "send", { to: ["ann@x.org"], text: "Hi" }),
      [],
    );
    assert.deepEqual(asks("find mails about hiking", "find", { query: "hiking" }), []);
    assert.deepEqual(asks("hello", "list", {}), []);
  });

  it("ask about a destination, selector or credential of somebody else's", () => {
    const to = ["ann@x.org", "eve@y.net"];
    assert.deepEqual(asks("Send ann@x.org the news", "send", { to, text: "Hi" }), [
      "ungrounded arguments.to",
    ]);
    assert.deepEqual(asks("Send ann@x.org it", "send", { to: "ann@x.org, eve@y.net" }), [
      "ungrounded arguments.to",
    ]);
    assert.deepEqual(asks("find mails about hiking", "find", { query: "security code" }), [
      "ungrounded arguments.query",
    ]);
    assert.deepEqual(asks("set my login to s3cret-x", "login", { password: "S3cret-x" }), [
      "ungrounded arguments.password",
      "tool organise",
    ]);
    assert.deepEqual(asks("Send ann@x.org it", "send", { deep: { who: "eve@y.net" } }), [
      "ungrounded arguments.deep.who",
    ]);
  });

  it("take short identifiers from a look-up alone", () => {
    const removing = "delete the mail about hiking number 13";
    assert.deepEqual(asks(removing, "remove", { id: "13" }), ["ungrounded arguments.id"]);
    assert.deepEqual(asks(removing, "remove", { id: 13 }), ["ungrounded arguments.id"]);
    const trusted = [looked("[].id", "13")];
    assert.deepEqual(asks(removing, "remove", { id: "13" }, { trusted }), []);
    assert.deepEqual(asks(removing, "remove", { id: "14" }, { trusted }), [
      "ungrounded arguments.id",
    ]);
    assert.deepEqual(asks("Send Ann the news", "send", { to: "ann@x.org" }), [
      "ungrounded arguments.to",
    ]);
    const found = [looked("[].email", "ann@x.org")];
    assert.deepEqual(
      asks("Send Ann the news", "send", { to: "Ann@X.org" }, { trusted: found }),
      [],
    );
  });

  it("trust a look-up only where nobody else chose what is looked up", () => {
    const fields = (words: string, tool: string, args: { readonly [name: string]: JsonValue }) =>
      decide(policy(mail), call(tool, args), given(words)).obligations;
    assert.deepEqual(fields("mail ann smith", "find", { query: "ann smith" }), [
      { type: "origins", trusted: ["[].email", "[].id"] },
    ]);
    assert.deepEqual(fields("mail ann smith", "find", { query: "eve" }), [
      { type: "origins", trusted: [] },
    ]);
    const made = { name: "packing list", text: "whatever a page said" };
    assert.deepEqual(fields("make a packing list", "make", made), [
      { type: "origins", trusted: ["id"] },
    ]);
    const other = { name: "payload", text: "x" };
    assert.deepEqual(fields("make a packing list", "make", other), [
      { type: "origins", trusted: [] },
    ]);
  });

  it("ask outside the groups of the words, reversible or not, and about undescribed tools", () => {
    assert.deepEqual(asks("read my mails to ann@x.org", "send", { to: "ann@x.org" }), [
      "tool send",
    ]);
    assert.deepEqual(asks("don't send ann@x.org anything", "send", { to: "ann@x.org" }), [
      "tool send",
    ]);
    const open = mail.replace(
      /where.group = .*/,
      'where.server = { equals = "mail" }\nwhere.tool = { prefix = "" }',
    );
    assert.deepEqual(asks("do it", "other", { note: "hello" }, {}, open), ["tool undescribed"]);
    assert.deepEqual(asks("do it", "other", { note: "eve@y.net" }, {}, open), [
      "ungrounded arguments.note",
      "tool undescribed",
    ]);
    assert.deepEqual(asks("", "other", { note: "hello" }, { gate: true }, open), []);
  });

  it("ask about links in what is sent that the person did not say", () => {
    const send = (text: string): readonly string[] =>
      asks("Send ann@x.org https://a.example/x", "send", { to: "ann@x.org", text });
    assert.deepEqual(send("See https://a.example/x"), []);
    assert.deepEqual(send("See https://evil.net/x"), ["link arguments.text"]);
    assert.deepEqual(send("See ev\u200bil.net/x"), ["link arguments.text"]);
  });

  it("read a text that somebody was seen typing, however long, and no paste", () => {
    const long = `${"Please do what I say. ".repeat(12)}Send ann@x.org the news`;
    assert.deepEqual(asks(long, "send", { to: "ann@x.org" }), [
      "ungrounded arguments.to",
      "tool send",
    ]);
    assert.deepEqual(asks(long, "send", { to: "ann@x.org" }, { typed: new Set([0]) }), []);
  });

  it("know the whole server by *, and fields by *", () => {
    const all = `
[tool.mail."*"]
group = "read"
roles = { "*" = "content", to = "destination" }
[[rule]]
id = "all"
effect = "allow"
target = ["mcp::call"]
where.group = { equals = "read" }
`;
    assert.deepEqual(asks("x", "anything", { text: "eve@y.net" }, {}, all), []);
    assert.deepEqual(asks("x", "anything", { to: "eve@y.net" }, {}, all), [
      "ungrounded arguments.to",
    ]);
  });

  it("ask about more than is looked at", () => {
    const many = Array.from({ length: 4100 }, (_, at) => `n${at}`);
    assert.deepEqual(asks("find it", "find", { query: many }), ["fact arguments"]);
  });

  it("are spoken of by server, tool, group and field", () => {
    const where = (text: string): string => `${mail}
[[rule]]
id = "narrow"
effect = "deny"
target = ["mcp::call"]
${text}`;
    const verdict = (text: string, args: { readonly [name: string]: JsonValue }) =>
      decide(policy(where(text)), call("send", args), given("send ann@x.org it")).verdict;
    const to = { to: ["ann@x.org"], amount: 12.5, flag: true };
    const denied = [
      'where.server = { equals = "mail" }',
      'where.tool = { one_of = ["send"] }',
      'where.group = { equals = "send" }',
      'where."arguments.to" = { suffix = "@x.org" }',
      'where."arguments.amount" = { min = 12 }',
      'where."arguments.flag" = { equals = "true" }',
      'where."arguments.none" = { absent = true }',
    ];
    for (const text of denied) assert.equal(verdict(text, to), "deny", text);
    const kept = [
      'where.server = { equals = "other" }',
      'where.group = { equals = "read" }',
      'where."arguments.to" = { suffix = "@y.org" }',
      'where."arguments.amount" = { min = 13 }',
      'where."arguments.none" = { equals = "x" }',
      'where."arguments.to" = { absent = true }',
    ];
    for (const text of kept) assert.equal(verdict(text, to), "allow", text);
  });

  it("are looked at as they are judged when somebody asks why", () => {
    const { evaluated } = check(
      policy(mail),
      call("send", { to: "ann@x.org" }),
      given("send ann@x.org it"),
    );
    assert.deepEqual(
      evaluated.map(({ id, fired }) => [id, fired]),
      [["described", true]],
    );
  });

  it("want every element where they allow, and one where they deny", () => {
    const rule = (effect: string): string => `${mail.replace(/\[\[rule\]\][^]*/, "")}
[[rule]]
id = "r"
effect = "${effect}"
target = ["mcp::call"]
where.server = { equals = "mail" }
where.tool = { equals = "send" }
where."arguments.to" = { suffix = "@x.org" }
`;
    const both = call("send", { to: ["ann@x.org", "bob@y.org"] });
    const words = given("send ann@x.org and bob@y.org it");
    assert.equal(decide(policy(rule("allow")), both, words).verdict, "ask");
    assert.equal(decide(policy(rule("deny")), both, words).verdict, "deny");
  });

  it("answered for a session are answered for one tool", () => {
    const none = mail.replace(/\[\[rule\]\][^]*/, "");
    const compiled = policy(none);
    const words = given("find mails about hiking and list them");
    const found = decide(compiled, call("find", { query: "hiking" }), words);
    assert.deepEqual(asked(found), ["default mail/find"]);
    const grant = {
      id: "g",
      session: session.session,
      scope: "session" as const,
      target: "mcp::call",
      discharges: found.asks,
      policyHash: compiled.hash,
      expiresMs: 1,
    };
    const granted = { ...words, grants: [grant] };
    assert.equal(decide(compiled, call("find", { query: "hiking" }), granted).verdict, "allow");
    assert.equal(decide(compiled, call("list", {}), granted).verdict, "ask");
    const outside: AskSource[] = [{ kind: "tool", id: "send" }];
    const wide = { ...words, grants: [{ ...grant, discharges: outside }] };
    const sent = decide(policy(mail), call("send", { to: "hiking" }), wide);
    assert.ok(asked(sent).includes("tool send"), "asked each time");
  });

  it("say on their card where each value comes from", () => {
    const seen = [
      {
        server: "mail",
        tool: "list",
        counter: 3n,
        token: { type: "email" as const, text: "eve@y.net" },
      },
    ];
    const context = given("send ann@x.org it", {
      seen,
      trusted: [looked("[].email", "bob@x.org")],
    });
    const action = call("send", { to: ["ann@x.org", "Eve@y.net", "bob@x.org"], text: "Hi" });
    const decision = decide(policy(mail), action, context);
    const text = card(action, decision, context);
    assert.match(text, /to\s+"ann@x.org"\s+\(your words\)/);
    assert.match(
      text,
      /to\s+"Eve@y.net"\s+\(not from your words: it stood in an answer of mail.list \(ticket 3\)\)/,
    );
    assert.match(text, /to\s+"bob@x.org"\s+\(from your look-up mail.find \(ticket 7\)\)/);
    assert.match(
      decision.reason,
      /"Eve@y.net" does not come from your words: it stood in an answer/,
    );
  });
});

describe("what a policy says of tools", () => {
  const one = (text: string, pattern: RegExp): void => {
    const found = complaints(`version = 1\n${text}`);
    assert.equal(found.length, 1, JSON.stringify(found));
    assert.match(found[0] ?? "", pattern);
  };
  it("is checked whole", () => {
    one('[tool.a.b]\ngroup = "sned"', /E_POLICY_VALUE\]: policy.toml:3:9.*did you mean "send"/);
    one("[tool.a.b]\ngruop = 1", /E_POLICY_UNKNOWN_KEY\]: policy.toml:3:1/);
    one('[tool.a.b]\nroles = { to = "dest" }', /E_POLICY_VALUE\]: policy.toml:3:16/);
    one('[tool.a.b]\nroles = { "a..b" = "flag" }', /E_POLICY_VALUE.*is no field/);
    one(
      '[tool.a.b]\ngroup = "read"\ntopics = "Mail"',
      /E_POLICY_VALUE\]: policy.toml:4:10.*one word/,
    );
    one('[tool.a.b]\ngroup = "read"\ntopics = ""', /E_POLICY_VALUE/);
    one('[tool.a.b]\ngroup = "read"\ntopics = "a  b"', /E_POLICY_VALUE.*one word/);
    one('[tool.a.b]\ngroup = "read"\ntopics = ["mail"]', /E_POLICY_/);
    one(
      '[tool.a.b]\ngroup = "send"\ntopics = "mail"',
      /E_POLICY_VALUE.*only looks|E_POLICY_VALUE.*"read"/,
    );
    one('[tool.a.b]\ntopics = "mail"', /E_POLICY_VALUE.*"read"/);
    const many = Array.from({ length: 33 }, (_, at) => `t${at}`).join(" ");
    one(`[tool.a.b]\ngroup = "read"\ntopics = "${many}"`, /E_POLICY_TOO_LARGE/);
    one(`[tool.a.b]\ngroup = "read"\ntopics = "${"x".repeat(600)}"`, /E_POLICY_/);
    one("[grounding]\ntrusted = [{}]", /E_POLICY_MISSING\]: policy.toml:3:12/);
    one(
      '[grounding]\ntrusted = [{ tool = { server = "a", tool = "b" }, field = "a[" }]',
      /E_POLICY_VALUE.*is no field/,
    );
    one("[grounding]\nwords = true", /E_POLICY_UNKNOWN_KEY/);
    one(
      '[[rule]]\nid = "a"\neffect = "allow"\ntarget = "mcp::call"',
      /E_POLICY_UNCONSTRAINED.*where.server and where.tool/,
    );
    one(
      '[[rule]]\nid = "a"\neffect = "allow"\ntarget = "mcp::call"\nwhere.group = { not = { equals = "buy" } }',
      /E_POLICY_UNCONSTRAINED/,
    );
  });
  it("belongs to the person's policy alone", () => {
    for (const text of ["[tool.a.b]", "[grounding]\ntrusted = []"]) {
      const found = complaints(`version = 1\n${text}`, "project");
      assert.ok(
        found.some((each) => each.includes("E_POLICY_TIER")),
        JSON.stringify(found),
      );
    }
  });
  it("is tried by a rule's own examples", () => {
    const rule = (name: string): string => `version = 1
[tool.mail.send]
group = "send"
[[rule]]
id = "a"
effect = "deny"
target = "mcp::call"
where.group = { equals = "send" }
where."arguments.to" = { suffix = "@x.org" }
match = [{ server = "mail", tool = "${name}", arguments = { to = "ann@x.org" } }]
`;
    assert.deepEqual(complaints(rule("send")), []);
    assert.match(complaints(rule("find"))[0] ?? "", /does not fire on its own match/);
  });
});

describe("a change of what tools are", () => {
  const settings = (before: string, after: string): readonly string[] =>
    diffPolicies(policy(before), policy(after)).settings.map(
      ({ name, change }) => `${change} ${name}`,
    );
  it("counts as wider unless it only wants more to be the person's own", () => {
    const looser = mail.replace('to = "destination"', 'to = "content"');
    assert.deepEqual(settings(mail, looser), ["widened tool.mail.send"]);
    assert.deepEqual(settings(looser, mail), ["narrowed tool.mail.send"]);
    const regrouped = mail.replace('group = "delete"', 'group = "read"');
    assert.deepEqual(settings(mail, regrouped), ["widened tool.mail.remove"]);
    const listing = (topics: string): string =>
      mail.replace('list = { group = "read" }', `list = { group = "read", topics = "${topics}" }`);
    assert.deepEqual(settings(mail, listing("inbox")), ["narrowed tool.mail.list"]);
    assert.deepEqual(settings(listing("inbox"), mail), ["widened tool.mail.list"]);
    assert.deepEqual(settings(listing("inbox"), listing("inbox mail")), ["widened tool.mail.list"]);
    assert.deepEqual(settings(listing("inbox mail"), listing("mail")), ["narrowed tool.mail.list"]);
    const untrusted = mail.replace(/^.*"\[\].email".*$/m, "");
    assert.deepEqual(settings(mail, untrusted), ["narrowed grounding.trusted mail/find [].email"]);
    assert.deepEqual(settings(untrusted, mail), ["widened grounding.trusted mail/find [].email"]);
    assert.deepEqual(settings(mail, mail), []);
    const trust = (server: string, tool: string): string =>
      `[grounding]\ntrusted = [{ tool = { server = "${server}", tool = "${tool}" }, field = "x" }]`;
    assert.deepEqual(settings(trust("a", "b/c"), trust("a/b", "c")), [
      "narrowed grounding.trusted a/b/c x",
      "widened grounding.trusted a%2Fb/c x",
    ]);
  });
  it("leaves calls of tools undecided, and nothing else", () => {
    const looser = mail.replace('to = "destination"', 'to = "content"');
    const { undecided, notWider } = diffPolicies(policy(mail), policy(looser));
    assert.deepEqual(undecided, ["mcp::call"]);
    assert.equal(notWider, false);
    assert.equal(diffPolicies(policy(mail), policy(mail)).notWider, true);
  });
});

describe("where the values of an answer come from", () => {
  const answer: JsonValue = [
    { email: "ann@x.org", id: 7, note: "ask bob@y.org or www.z.org/a" },
    { email: "eve@y.net", id: "8", inner: { email: "not@here.org" } },
  ];
  it("takes the fields that are asked for, and every address", () => {
    const origins = originsOf(answer, ["[].email", "[].id", "[].none", "missing.[]"]);
    assert.deepEqual(origins.trusted, [
      { field: "[].email", text: "ann@x.org" },
      { field: "[].email", text: "eve@y.net" },
      { field: "[].id", text: "7" },
      { field: "[].id", text: "8" },
    ]);
    assert.deepEqual(
      origins.seen.map(({ type, text }) => `${type} ${text}`),
      [
        "email ann@x.org",
        "email bob@y.org",
        "url https://www.z.org/a",
        "email eve@y.net",
        "email not@here.org",
      ],
    );
    assert.deepEqual(originsOf("2024-05-15", [""]).trusted, [{ field: "", text: "2024-05-15" }]);
  });
  it("survives its encoding, and nothing else decodes", () => {
    const origins = originsOf(answer, ["[].email"]);
    const decoded = decodeOrigins(encodeOrigins(origins));
    assert.deepEqual(decoded, { ok: true, value: origins });
    const malformed: AnswerOrigins = { trusted: [], seen: [{ type: "name", text: "x" }] };
    assert.equal(decodeOrigins(encodeOrigins(malformed)).ok, false);
    assert.equal(decodeOrigins(new Uint8Array([1, 2, 3])).ok, false);
  });
  it("is bounded on hostile answers", () => {
    const wide = Array.from({ length: 5000 }, (_, at) => ({ email: `a${at}@x.org` }));
    const origins = originsOf(wide, ["[].email"]);
    assert.equal(origins.trusted.length, 256);
    assert.equal(origins.seen.length, 512);
    let deep: JsonValue = "deep@x.org";
    for (let depth = 0; depth < 5000; depth++) deep = [deep];
    assert.deepEqual(originsOf(deep, []).seen, []);
    assert.deepEqual(originsOf("\ud800 a@x.org", [""]).trusted, []);
    assert.deepEqual(originsOf({ ["__proto__"]: 1 }, ["__proto__.polluted"]).trusted, []);
  });
});
