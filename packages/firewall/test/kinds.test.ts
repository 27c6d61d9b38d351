/** Kinds of arguments beside paths, texts and URLs: one spelling of each value, whatever is given. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { domainToASCII } from "node:url";
import fc from "fast-check";
import whatwg from "whatwg-url";
import type { Action } from "@ioi/wire";
import { decide } from "../src/index.ts";
import { canonicalJson, jsonOfCanonical, readJson } from "../src/kinds/data.ts";
import {
  amountText,
  canonicalAccount,
  canonicalAmount,
  checksumAddress,
  readAccount,
  readAmount,
  scaledAmount,
} from "../src/kinds/money.ts";
import { canonicalEmail, canonicalHostOf, readEmails, readHost } from "../src/kinds/names.ts";
import { canonicalElement, canonicalPoint, readElement, readPoint } from "../src/kinds/screen.ts";
import { complaints, context, parseUrl, policy, rule, verdict, withSession } from "./support.ts";

const runs = { numRuns: process.env["IOI_TEST"] === "inner" ? 60 : 500 };
const zero = `eip155:1:0x${"0".repeat(40)}`;
const assumed = { ...context, undriven: true as const };
const typed = {
  ...withSession({
    words: [`abcd ann@a.example a.example ${zero} https://a.example/`],
    urls: ["https://a.example/"],
  }),
  undriven: true as const,
};

describe("hosts", () => {
  it("have one spelling, and what has it stays", () => {
    for (const [given, expected] of [
      ["Example.COM", "example.com"],
      ["example.com.", "example.com"],
      ["bücher.example", "xn--bcher-kva.example"],
      ["0x7f.1", "127.0.0.1"],
      ["2130706433", "127.0.0.1"],
      ["[::FFFF:127.0.0.1]", "127.0.0.1"],
      ["::1", "::1"],
      ["2001:DB8::0:1", "2001:db8::1"],
    ] as const) {
      assert.deepEqual(canonicalHostOf(given, parseUrl), { ok: true, value: expected }, given);
      assert.ok(readHost(expected).ok);
    }
    for (const given of [
      "",
      "a b",
      "a/b",
      "a:80",
      "[::1]:80",
      "u@a",
      "a\0b",
      "a..b",
      "[::1",
      "1:2",
    ]) {
      assert.equal(canonicalHostOf(given, parseUrl).ok, false, given);
    }
  });
  it("agree with whatwg-url and Node's IDNA, never throw, and come out canonical", () => {
    fc.assert(
      fc.property(fc.oneof(fc.domain(), fc.ipV6(), fc.ipV4Extended(), fc.string()), (given) => {
        const host = canonicalHostOf(given, parseUrl);
        if (!host.ok) return;
        assert.deepEqual(canonicalHostOf(host.value, parseUrl), host);
        assert.ok(readHost(host.value).ok);
        const other = new whatwg.URL(
          `http://${given.includes(":") && !given.startsWith("[") ? `[${given}]` : given}/`,
        );
        const bare = other.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
        // An IPv4 address inside of an IPv6 one is the same host, and has the plain spelling.
        if (!bare.startsWith("::ffff:") && !bare.startsWith("64:ff9b:"))
          assert.equal(host.value, bare);
        if (!given.includes(":")) assert.equal(domainToASCII(host.value), host.value);
      }),
      runs,
    );
  });
  it("of this machine are closed to tunnels until a rule or the person names them", () => {
    const action = {
      version: 1 as const,
      target: "net::connect",
      args: { host: "127.0.0.1", port: 80 },
      facts: {},
    };
    const wide = rule(
      "a",
      "allow",
      "net::connect",
      'where.host = { one_of = ["*.a.example", "b.example"] }',
    );
    assert.equal(decide(policy(wide), action, typed).rules[0]?.id, "builtin:address-loopback");
    const named = rule("a", "ask", "net::connect", 'where.host = { equals = "127.0.0.1" }');
    assert.equal(verdict(policy(named), action, typed), "ask");
  });
});

describe("addresses of mail", () => {
  it("have one spelling, in plain letters", () => {
    assert.deepEqual(canonicalEmail("Ann.Bee@Bücher.Example", parseUrl), {
      ok: true,
      value: "ann.bee@xn--bcher-kva.example",
    });
    for (const given of [
      "a",
      "@a.example",
      "a@",
      "a@b@",
      "a..b@x.example",
      ".a@x.example",
      '"a b"@x.example',
      "a@[127.0.0.1]",
      "a@127.0.0.1",
      "аnn@x.example",
      "a\n@x.example",
      `${"a".repeat(65)}@x.example`,
    ]) {
      assert.equal(canonicalEmail(given, parseUrl).ok, false, given);
    }
  });
  it("never throw, stay as they are, and two people are never one", () => {
    fc.assert(
      fc.property(fc.oneof(fc.emailAddress(), fc.string()), (given) => {
        const email = canonicalEmail(given, parseUrl);
        if (!email.ok) return;
        assert.deepEqual(canonicalEmail(email.value, parseUrl), email);
        assert.ok(readEmails([email.value]).ok);
        assert.equal(
          email.value.split("@")[0],
          given.slice(0, given.lastIndexOf("@")).toLowerCase(),
        );
      }),
      runs,
    );
  });
  it("all count for what allows, one is enough for what refuses", () => {
    const send = (to: readonly string[]): Action => ({
      version: 1,
      target: "mail::send",
      args: { to, subject: "s", content: { sha256: new Uint8Array(32), length: 0, head: "" } },
      facts: {},
    });
    const where = 'where.to = { domain = "a.example" }\nwhere.cc = { absent = true }';
    const rest = "\nwhere.bcc = { absent = true }\nwhere.attachments = { absent = true }";
    assert.match(
      complaints(`version = 1\n${rule("a", "allow", "mail::send", where)}`).join(""),
      /without where.bcc and where.attachments/,
    );
    const allow = policy(rule("a", "allow", "mail::send", where + rest));
    assert.equal(verdict(allow, send(["ann@a.example"]), typed), "allow");
    assert.equal(verdict(allow, send(["ann@a.example", "x@b.example"]), typed), "ask");
    const deny = policy(
      rule("d", "deny", "mail::send", 'where.to = { domain = "*.evil.example" }'),
    );
    assert.equal(verdict(deny, send(["ann@a.example", "x@m.evil.example"]), assumed), "deny");
    assert.equal(verdict(deny, send(["ann@a.example", "x@evil.example"]), assumed), "ask");
  });
});

describe("amounts and accounts", () => {
  it("are decimal texts, exact to thirty places", () => {
    for (const [given, expected] of [
      ["0.50", "0.5"],
      ["007", "7"],
      [3, "3"],
      ["0.0", "0"],
      ["340282366920938463463374607431768211455", "340282366920938463463374607431768211455"],
    ] as const) {
      assert.deepEqual(canonicalAmount(given), { ok: true, value: expected });
    }
    for (const given of [
      "",
      "-1",
      "+1",
      "1e3",
      "1,5",
      ".5",
      "5.",
      "0x1",
      "١",
      0.5,
      null,
      "9".repeat(40),
    ]) {
      assert.equal(canonicalAmount(given).ok, false, String(given));
    }
  });
  it("keep their order and their value", () => {
    const digits = fc.bigInt({ min: 0n, max: 10n ** 60n });
    fc.assert(
      fc.property(digits, digits, (a, b) => {
        const [one, two] = [a, b].map(amountText);
        assert.equal(readAmount(one as string).ok, true);
        assert.equal(scaledAmount(one as string), a);
        assert.equal(one === two, a === b);
      }),
      runs,
    );
  });
  it("carry the checksum of EIP-55 where letters of both cases stand", () => {
    // The examples of EIP-55 itself.
    for (const address of [
      "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
      "fB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
      "dbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
      "D1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ]) {
      assert.equal(checksumAddress(address.toLowerCase()), address);
      const made = canonicalAccount(`eip155:1:0x${address}`);
      assert.deepEqual(made, { ok: true, value: `eip155:1:0x${address.toLowerCase()}` });
      const mistyped = address.replace(/[a-f]/, (letter) => letter.toUpperCase());
      assert.equal(canonicalAccount(`eip155:1:0x${mistyped}`).ok, false);
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.anything()), (given) => {
        const made = canonicalAccount(given);
        if (made.ok) assert.ok(readAccount(made.value).ok);
      }),
      runs,
    );
  });
  it("ask where bytes were not decoded", () => {
    const content = { sha256: new Uint8Array(32), length: 4, head: "" };
    const args = { from: zero, to: zero, asset: "ETH", value: "0" };
    const allow = policy(rule("a", "allow", "wallet::sign", `where.to = { equals = "${zero}" }`));
    const sign = (more: object): Action => ({
      version: 1,
      target: "wallet::sign",
      args: { ...args, ...more },
      facts: {},
    });
    assert.equal(verdict(allow, sign({}), typed), "allow");
    assert.deepEqual(decide(allow, sign({ data: content }), typed).asks, [
      { kind: "fact", id: "data" },
    ]);
  });
});

describe("elements and points", () => {
  it("have one spelling of a name, and keep what tells them apart", () => {
    assert.deepEqual(
      canonicalElement({ role: "button", name: " Pay \u00a0 now\n", snapshot: "s1" }),
      { ok: true, value: { snapshot: "s1", role: "button", name: "Pay now" } },
    );
    for (const given of [
      null,
      [],
      {},
      { snapshot: "s1", role: "Button", name: "x" },
      { snapshot: "S", role: "button", name: "x" },
      { snapshot: "s1", role: "button", name: "x", extra: 1 },
      { snapshot: "s1", role: "button", name: "x", bounds: [0, 0, -1, 1] },
      { snapshot: "s1", role: "button", name: "\ud800" },
    ]) {
      assert.equal(canonicalElement(given).ok, false, JSON.stringify(given));
    }
  });
  it("never throw on anything, and come out canonical", () => {
    const letters = fc.constantFrom(..." \u00a0\u200b\t\nabZ\u0301\u202e", "é", "\ud83d", "\0");
    const element = fc.record({
      snapshot: fc.constantFrom("s1", "s2"),
      role: fc.constantFrom("button", "link"),
      name: fc.string({ unit: letters }),
      bounds: fc.option(fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9), fc.nat(9)), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.oneof(element, fc.anything()), (given) => {
        const made = canonicalElement(given);
        if (!made.ok) return;
        assert.deepEqual(canonicalElement(made.value), made);
        assert.ok(readElement(made.value).ok);
      }),
      runs,
    );
    fc.assert(
      fc.property(fc.anything(), (given) => {
        const made = canonicalPoint(given);
        if (made.ok) assert.ok(readPoint(made.value).ok);
      }),
      runs,
    );
  });
});

describe("JSON", () => {
  it("comes back as it was, and nothing else is taken for a fraction", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (value) => {
        const made = canonicalJson({ value });
        if (!made.ok) return;
        assert.ok(readJson(made.value).ok);
        const plain = JSON.parse(JSON.stringify({ value })) as object;
        assert.deepEqual(JSON.parse(JSON.stringify(jsonOfCanonical(made.value))), plain);
      }),
      runs,
    );
    assert.deepEqual(canonicalJson({ a: 0.5 }), { ok: true, value: { a: { "\u0001": "0.5" } } });
    assert.equal(canonicalJson({ a: { "\u0001": "0.5" } }).ok, false);
    for (const text of ["1", "0.50", "x", "Infinity", "1e400"]) {
      const given = { a: { "\u0001": text } };
      assert.equal(jsonOfCanonical(given) === undefined, text !== "1", text);
    }
  });
  it("is bounded in depth, values and text, and refuses what JSON does not have", () => {
    let deep: unknown = 1;
    for (let at = 0; at < 5000; at++) deep = [deep];
    for (const value of [
      deep,
      Array.from({ length: 10_001 }, () => 0),
      "x".repeat(262_145),
      "\ud800",
      Number.NaN,
      2 ** 53,
      1n,
      new Uint8Array(1),
      () => 0,
    ]) {
      assert.equal(canonicalJson({ value }).ok, false);
    }
    for (const given of [null, [], "x", 1]) assert.equal(canonicalJson(given).ok, false);
  });
});
