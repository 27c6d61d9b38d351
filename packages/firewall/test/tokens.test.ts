/** Typed tokens: equal spellings are equal, and nothing that only looks equal is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "@ioi/base";
import { linksIn } from "../src/grounding/links.ts";
import { isIban, tokenKey, tokenOf } from "../src/grounding/token.ts";
import { readTyped } from "../src/grounding/words.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const key = (text: string): string | undefined => {
  const token = tokenOf(text);
  return token === undefined ? undefined : tokenKey(token);
};

const alike: readonly (readonly string[])[] = [
  ["Jane.Doe@Example.com", "jane.doe@example.com", "JANE.DOE@EXAMPLE.COM."],
  ["https://Example.com/a?b=c", "https://example.com:443/a?b=c", "HTTPS://example.com/a?b=c#top"],
  ["www.example.com/a", "https://www.example.com/a", "WWW.EXAMPLE.COM/a"],
  ["example.com", "Example.COM", "example.com."],
  ["GB29 NWBK 6016 1331 9268 19", "GB29NWBK60161331926819", "gb29nwbk60161331926819"],
  ["+44 20 7946 0958", "+442079460958", "+44 (20) 7946-0958"],
  ["2024-05-15", "May 15th, 2024", "15 May 2024", "15th of May 2024", "May 15 2024"],
  ["$1,200.50", "1200.5", "1200.50 USD", "1200.50"],
  ["Emma Johnson", "emma  johnson", "EMMA JOHNSON"],
  ["./notes/a.txt", "notes/a.txt"],
];

const different: readonly (readonly [string, string])[] = [
  ["jane@example.com", "jane@example.com.evil.net"],
  ["jane@example.com", "jane@examp1e.com"],
  ["jane@example.com", "jane+x@example.com"],
  ["jane@example.com", "j\u0430ne@example.com"],
  ["jane@example.com", "jane@ex\u200bample.com"],
  ["jane@example.com", "jane@example.com\u202e"],
  ["jane@example.com", "\uff4aane@example.com"],
  ["jane@example.com", "evil@x.net <jane@example.com>"],
  ["jane@example.com", "mailto:jane@example.com"],
  ["m\u00fcller.de", "xn--mller-kva.de"],
  ["https://example.com/a", "http://example.com/a"],
  ["https://example.com/a", "https://example.com@evil.net/a"],
  ["https://example.com/a", "https://example.com/a/"],
  ["https://example.com/a", "https://example.com/%61"],
  ["GB29NWBK60161331926819", "GB29NWBK6O161331926819"],
  ["GB29NWBK60161331926819", "GB29NWBK60161331926818"],
  ["GB29NWBK60161331926819", "GB29NWBK60161331926819\u00a0"],
  ["Kevin Smith", "\u212aevin Smith"],
  ["2024-05-15", "2024-05-16"],
];

describe("typed tokens", () => {
  for (const spellings of alike) {
    it(`has one form for ${spellings[0]}`, () => {
      const keys = new Set(spellings.map(key));
      assert.equal(keys.size, 1);
      assert.ok(!keys.has(undefined));
    });
  }

  for (const [one, other] of different) {
    it(`tells ${JSON.stringify(one)} from ${JSON.stringify(other)}`, () => {
      assert.notEqual(key(one), key(other));
    });
  }

  it("has no form for what deceives or cannot be an address of its kind", () => {
    const none = [
      "",
      " ",
      "a@b",
      "...",
      "@",
      "a@@example.com",
      "p\u0430ypal.com",
      "e\u0301",
      "https://",
      "https://user@example.com/",
      "https://example.com\\evil",
      "a".repeat(600),
      "\ud800",
    ];
    for (const text of none) assert.equal(tokenOf(text), undefined, JSON.stringify(text));
  });

  it("knows what kind each is", () => {
    const kinds = {
      "a@example.com": "email",
      "https://example.com/": "url",
      "example.com/a": "url",
      "example.com": "host",
      US122000000121212121212: "account",
      "12345678": "account",
      "+1 555 0100 99": "phone",
      "/etc/passwd": "path",
      "2024-05-15": "date",
      "1,000": "amount",
      "Emma Johnson": "name",
    };
    const found = Object.fromEntries(Object.keys(kinds).map((text) => [text, tokenOf(text)?.type]));
    assert.deepEqual(found, kinds);
  });

  it("never makes an equal token of a value that one letter was changed in", () => {
    const seed = "tokens-1";
    const random = new SeededRandom(seed);
    const values = [
      "jane.doe@example.com",
      "https://example.com/a/b?c=d",
      "GB29NWBK60161331926819",
      "files.example.org",
      "US122000000121212121212",
    ];
    const tricks = [
      ..."0O1lI5S2Z\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u03bf\u0131\u017f\u212a\uff41",
      ..."\u200b\u200c\u200d\u2060\u00ad\ufeff\u202e\u2066\u0301\u0307\u3164\u{e0061}",
    ];
    let tried = 0;
    const rounds = inner ? 2000 : 20_000;
    for (let round = 0; round < rounds; round++) {
      const value = values[random.u32() % values.length] as string;
      const at = random.u32() % value.length;
      const trick = tricks[random.u32() % tricks.length] as string;
      const insert = random.u32() % 2 === 0;
      const changed = value.slice(0, at) + trick + value.slice(at + (insert ? 0 : 1));
      if (changed.toLowerCase() === value.toLowerCase()) continue;
      tried++;
      assert.notEqual(key(changed), key(value), `seed ${seed}: ${JSON.stringify(changed)}`);
    }
    assert.ok(tried > rounds * 0.75);
  });

  it("gives every canonical form itself again", () => {
    const texts = [...alike.flat(), ...different.flat()];
    for (const text of texts) {
      const token = tokenOf(text);
      if (token === undefined || token.type === "date") continue;
      assert.deepEqual(tokenOf(token.text), token, text);
    }
  });

  it("checks the digits of an IBAN", () => {
    assert.ok(isIban("GB29NWBK60161331926819"));
    assert.ok(isIban("DE89370400440532013000"));
    assert.ok(!isIban("DE89370400440532013001"));
    assert.ok(!isIban("DE8937040044053201300"));
  });
});

describe("typed words", () => {
  const tokens = (text: string): readonly string[] =>
    readTyped(text).tokens.map(({ type, text: of }) => `${type} ${of}`);

  it("finds accounts, phones and dates that are written in groups", () => {
    const found = tokens(
      "Pay GB29 NWBK 6016 1331 9268 19 and call +44 20 7946 0958 before May 15th, 2024 please",
    );
    for (const each of [
      "account GB29NWBK60161331926819",
      "phone +442079460958",
      "date 2024-05-15",
    ]) {
      assert.ok(found.includes(each), each);
    }
  });

  it("takes the punctuation around an address off", () => {
    const found = tokens("Mail (jane@example.com), and read 'https://example.com/a'. Thanks!");
    assert.ok(found.includes("email jane@example.com"));
    assert.ok(found.includes("url https://example.com/a"));
  });
});

describe("links in what is sent", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["See https://evil.net/x.", 1],
    ["See www.evil.net", 1],
    ["See evil.net/login and e.g. notes.txt", 1],
    ["Visit evil.com today", 1],
    ["h\u200bttps://ev\u00adil.net", 1],
    ["\uff48\uff54\uff54\uff50\uff53://evil.net", 1],
    ["go to evil\u2060.com now", 1],
    ["go to evil\uff0ecom now", 1],
    ["javascript:alert(1)", 1],
    ["jane@example.com said hello. All is well. Version 1.2.3", 0],
    ["the file report.pdf is attached", 0],
  ];
  for (const [text, count] of cases) {
    it(`sees ${count} in ${JSON.stringify(text)}`, () => {
      assert.equal(linksIn(text).length, count, JSON.stringify(linksIn(text)));
    });
  }

  it("ends soon on text that is made of dots", () => {
    assert.ok(linksIn("a.".repeat(130_000)).length <= 64);
  });
});
