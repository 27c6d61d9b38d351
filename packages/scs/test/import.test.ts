// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { ConversationsReader } from "../src/import/conversations.ts";
import { importInto, type ImportSource } from "../src/import/index.ts";
import { JsonLinesReader } from "../src/import/jsonl.ts";
import { MailReader } from "../src/import/mail.ts";
import { MarkdownReader } from "../src/import/markdown.ts";
import { type Imported, type ItemReader, partsOf } from "../src/import/reader.ts";
import { TextReader } from "../src/import/text.ts";
import { isoMs, jsonMs } from "../src/import/times.ts";
import { DateOrderFinder, WhatsAppReader } from "../src/import/whatsapp.ts";
import { openSubstrate } from "../src/index.ts";
import { importElementCharsMax, importLineCharsMax, importTextCharsMax } from "../src/limits.ts";
import { freshPlace, kernel } from "./support.ts";

const toAsync = async function* (texts: readonly string[]): AsyncGenerator<string> {
  yield* texts;
};

const read = (reader: ItemReader, ...pieces: readonly string[]): readonly Imported[] => [
  ...pieces.flatMap((piece) => reader.push(piece)),
  ...reader.end(),
];

const short = (all: readonly Imported[]): readonly (readonly [string, string])[] =>
  all.map((each) => [each.at, each.type === "item" ? each.text : each.why]);

const markdown = `---
title: Notes
---

Before any heading.

# House

The key is under the mat.

## Garden ##

Water on Fridays.

\`\`\`sh
# no heading
\`\`\`

Cellar
------
Wine, and
a ladder.

#hashtag is none
`;

test("Markdown gives its sections, each below the headings that it stands under", () => {
  assert.deepEqual(short(read(new MarkdownReader(), markdown)), [
    ["", "---\ntitle: Notes\n---\n\nBefore any heading."],
    ["House", "House\n\nThe key is under the mat."],
    ["House > Garden", "House > Garden\n\nWater on Fridays.\n\n```sh\n# no heading\n```"],
    ["House > Cellar", "House > Cellar\n\nWine, and\na ladder.\n\n#hashtag is none"],
  ]);
});

test("a heading is what stands between its signs, also in a line of a million characters", () => {
  const headings = ["# a", "#\ta\t", "# a #", "# a ###  ", "# a#", "# #", "#", "#a", "####### a"];
  const named = headings.map((heading) => read(new MarkdownReader(), `${heading}\n\ntext`)[0]?.at);
  assert.deepEqual(named, ["a", "a", "a", "a", "a#", "", "", "", ""]);
  // An expression that goes back over the spaces takes an hour for this.
  const long = `# a${" ".repeat(1 << 20)}b${" #".repeat(1 << 18)} c`;
  assert.match(read(new MarkdownReader(), `${long}\ntext`)[0]?.at ?? "", /^a +…$/);
});

test("an import counts what it stored itself, whatever other files say that they are", async () => {
  const place = await freshPlace("tags");
  await using substrate = await openSubstrate(place, "write", { kernel });
  const source = (name: string, hash: number, ...lines: readonly object[]): ImportSource => ({
    name,
    hash: new Uint8Array(32).fill(hash),
    kind: "jsonl",
    reader: new JsonLinesReader(),
    texts: toAsync(lines.map((line) => `${JSON.stringify(line)}\n`)),
    tags: ["mine"],
  });
  const tag = `import:jsonl-${"02".repeat(12)}`;
  const most = Array.from({ length: 100 }, (_, n) => `t${n}`);
  const hostile = { text: "other", tags: [tag, "item:7", ...most] };
  await importInto(substrate, source("hostile", 1, { text: "first" }, hostile));
  const shared = { text: "shared", tags: [tag, "item:7"], origin: { kind: "shared", from: "x" } };
  await substrate.remember([shared]);
  const made = source("own", 2, { text: "one" }, { text: "two" });
  const report = await importInto(substrate, made);
  assert.deepEqual([report.tag, report.memories, report.before], [tag, 2, 0]);
  const again = await importInto(substrate, source("own", 2, { text: "one" }, { text: "two" }));
  assert.deepEqual([again.memories, again.before, substrate.info.memories], [2, 2, 5]);
  const { tags } = await substrate.file.read(1);
  assert.deepEqual([tags.length, tags[1], tags[2]], [64, "item:1", "mine"]);
});

test("text gives paragraphs, joined while they fit and cut where a sentence ends", () => {
  const sentence = "A sentence of some words. ";
  const long = sentence.repeat(200).trim();
  const items = read(new TextReader(), `One.\n\nTwo.\r\n\r\n${long}`);
  assert.equal(items[0]?.type === "item" && items[0].text.startsWith("One.\n\nTwo."), true);
  const texts = items.map((item) => (item.type === "item" ? item.text : ""));
  assert.ok(texts.every((text) => text.length <= importTextCharsMax && text.endsWith(".")));
  assert.equal(texts.join(" ").replaceAll(/\s+/g, " "), `One. Two. ${long}`);
});

test("a text without a place to cut is cut between characters", () => {
  const parts = partsOf("\u{1f600}".repeat(5000));
  assert.ok(parts.every((part) => part.isWellFormed() && part.length <= importTextCharsMax));
  assert.equal(parts.join(""), "\u{1f600}".repeat(5000));
});

test("JSON lines give their texts, and say of each other line what it lacks", () => {
  const lines = [
    `{"text":"one","id":"n1","tags":["a","a",7],"at":"2024-02-29T12:00:00+02:00"}`,
    `"two"`,
    "",
    `{"content":"three","timestamp":1700000000}`,
    `{"text":""}`,
    `{"text":7}`,
    `[1]`,
    `{"text":"cut`,
    `{"text":"\\ud800 lone"}`,
  ];
  assert.deepEqual(read(new JsonLinesReader(), lines.join("\n")), [
    {
      type: "item",
      text: "one",
      mediaType: "text/plain",
      at: "n1",
      saidMs: 1_709_200_800_000,
      tags: ["a"],
    },
    { type: "item", text: "two", mediaType: "text/plain", at: "line 2", tags: [] },
    {
      type: "item",
      text: "three",
      mediaType: "text/plain",
      at: "line 4",
      saidMs: 1_700_000_000_000,
      tags: [],
    },
    ...[5, 6].map((n) => ({
      type: "passed over",
      at: `line ${n}`,
      why: `"text" is missing, empty or no text`,
    })),
    ...[7, 8].map((n) => ({
      type: "passed over",
      at: `line ${n}`,
      why: "neither an object nor a text",
    })),
    { type: "item", text: "\ufffd lone", mediaType: "text/plain", at: "line 9", tags: [] },
  ]);
});

const chatGpt = {
  title: "Trip",
  current_node: "d",
  mapping: {
    a: { parent: null, message: { author: { role: "system" }, content: { parts: ["be nice"] } } },
    b: {
      parent: "a",
      message: {
        author: { role: "user" },
        create_time: 1_700_000_000.5,
        content: { content_type: "text", parts: ['Where to? ["]', { image: 1 }, "Lisbon?"] },
      },
    },
    c: { parent: "b", message: { author: { role: "assistant" }, content: { parts: ["no"] } } },
    d: { parent: "b", message: { author: { role: "assistant" }, content: { parts: ["yes"] } } },
  },
};
const claude = {
  name: "Recipe",
  chat_messages: [
    { sender: "human", text: "Bread?", created_at: "2024-05-01T10:00:00.123456Z" },
    { sender: "assistant", text: "", content: [{ type: "text", text: "Flour, water." }] },
  ],
};

test("exports of assistants give what was said, in the branch that was shown last", () => {
  const text = JSON.stringify([chatGpt, claude, { other: 1 }]);
  const items = read(new ConversationsReader(), text);
  assert.deepEqual(
    items.map((each) => [
      each.at,
      each.type === "item" ? [each.text, each.tags[0], each.saidMs] : each.why,
    ]),
    [
      ["Trip", ['Where to? ["]\n\nLisbon?', "role:user", 1_700_000_000_500]],
      ["Trip", ["yes", "role:assistant", undefined]],
      ["Recipe", ["Bread?", "role:user", 1_714_557_600_123]],
      ["Recipe", ["Flour, water.", "role:assistant", undefined]],
      ["conversation 3", "no conversation of ChatGPT or Claude"],
    ],
  );
});

test("a branch that leads back to itself ends", () => {
  const mapping = {
    a: { parent: "b", message: { author: { role: "user" }, content: { parts: ["a"] } } },
    b: { parent: "a", message: { author: { role: "user" }, content: { parts: ["b"] } } },
  };
  const text = JSON.stringify([{ mapping, current_node: "a" }]);
  assert.deepEqual(
    short(read(new ConversationsReader(), text)).map(([, said]) => said),
    ["b", "a"],
  );
});

test("what is no array of conversations is refused, wherever that shows", () => {
  for (const bad of ["{}", "", "[{}", "[] x", "null", "[1"]) {
    assert.throws(() => read(new ConversationsReader(), bad), { code: "E_SCS_IMPORT" }, bad);
  }
  assert.deepEqual(read(new ConversationsReader(), " [ ] \n"), []);
  const depth = 1_000_000;
  const deep = `[${"[".repeat(depth)}${"]".repeat(depth)}]`;
  assert.deepEqual(short(read(new ConversationsReader(), deep)), [
    ["conversation 1", "no conversation of ChatGPT or Claude"],
  ]);
});

const whatsapp = `12/03/2024, 14:05 - Messages are end-to-end encrypted.
12/03/2024, 14:06 - Anna: The flat is on the
third floor.
[31.12.23, 11:05:11 PM] Ben: https://x.y: see
`;

test("chats of WhatsApp give messages, with who wrote them and when", () => {
  const items = read(new WhatsAppReader("day first"), whatsapp);
  assert.deepEqual(
    items.map((each) => each.type === "item" && [each.text, each.tags, each.saidMs]),
    [
      ["Messages are end-to-end encrypted.", [], Date.UTC(2024, 2, 12, 14, 5)],
      ["Anna: The flat is on the\nthird floor.", ["from:Anna"], Date.UTC(2024, 2, 12, 14, 6)],
      ["Ben: https://x.y: see", ["from:Ben"], Date.UTC(2023, 11, 31, 23, 5, 11)],
    ],
  );
  const order = (text: string): string => {
    const finder = new DateOrderFinder();
    finder.push(text);
    return finder.order;
  };
  assert.equal(order("3/25/24, 9:00 AM - A: b\n"), "month first");
  assert.equal(order("25/3/24, 9:00 - A: b\n"), "day first");
  assert.equal(order("2/3/24, 9:00 - A: b\n"), "day first");
});

test("moments are those of the platform's calendar", (t) => {
  const seed = process.env["IOI_SEED"] ?? "times";
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  for (let i = 0; i < 3000; i++) {
    const ms = random.below(2 ** 31) * 100 + random.below(100);
    assert.equal(isoMs(new Date(ms).toISOString()), ms);
  }
  for (const none of [
    "2023-02-29",
    "1969-12-31",
    "2024-13-01",
    "2024-01-01T24:00",
    "1970-01-01T00:00+01:00",
    "x",
  ]) {
    assert.equal(isoMs(none), undefined, none);
  }
  assert.equal(jsonMs(Date.UTC(10_000, 0) - 1), isoMs("9999-12-31T23:59:59.999"));
  assert.equal(isoMs("9999-12-31T23:59:59-01:00"), undefined);
  for (const none of [-1, NaN, Infinity, 1e300, Date.UTC(10_000, 0), 9e15, null, {}]) {
    assert.equal(jsonMs(none), undefined);
  }
});

test("however a file is cut into pieces, it gives the same memories", (t) => {
  const seed = process.env["IOI_SEED"] ?? "pieces";
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const cases: readonly (readonly [() => ItemReader, string])[] = [
    [() => new MarkdownReader(), `${markdown}${"word ".repeat(2000)}\n# End\r\nlast`],
    [() => new TextReader(), `${"a b. ".repeat(3000)}\n\nnext`],
    [() => new JsonLinesReader(), `{"text":"one"}\n{"text":"two"}\r\nnot\n"three"`],
    [() => new ConversationsReader(), JSON.stringify([chatGpt, claude], undefined, 1)],
    [() => new WhatsAppReader("day first"), whatsapp],
  ];
  for (const [make, text] of cases) {
    const whole = read(make(), text);
    for (let i = 0; i < 20; i++) {
      const pieces: string[] = [];
      for (let at = 0; at < text.length;) {
        const length = 1 + random.below(i < 10 ? 7 : 900);
        pieces.push(text.slice(at, at + length));
        at += length;
      }
      assert.deepEqual(read(make(), ...pieces), whole);
    }
  }
});

test("a line or a conversation without end is passed over, and what follows is read", () => {
  const piece = "x".repeat(1 << 20);
  const lines = new JsonLinesReader();
  const many = Array.from(
    { length: Math.ceil(importLineCharsMax / piece.length) + 1 },
    () => piece,
  );
  assert.deepEqual(short(read(lines, ...many, '\n"next"')), [
    ["line 1", `longer than ${importLineCharsMax} characters`],
    ["line 2", "next"],
  ]);
  const conversations = new ConversationsReader();
  const more = Array.from(
    { length: Math.ceil(importElementCharsMax / piece.length) + 1 },
    () => piece,
  );
  assert.deepEqual(
    short(read(conversations, '["', ...more, '",', JSON.stringify(claude), "]"))[0],
    ["conversation 1", `longer than ${importElementCharsMax} characters`],
  );
});

test("a mail is a memory with who wrote it, when, and its id; a long one is several", () => {
  const mail = {
    at: "mail 1",
    from: "Jürgen <j@example.org>",
    id: "<1@example.org>",
    subject: "Keys",
    text: "Under the mat.",
    ms: 1_700_000_000_000,
  };
  const lines = [mail, { ...mail, text: "word ".repeat(1000) }, { at: "mail 3", why: "cut" }];
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  const [first, ...others] = read(new MailReader(), text.slice(0, 30), text.slice(30));
  assert.deepEqual(first, {
    type: "item",
    text: "Keys\n\nUnder the mat.",
    mediaType: "text/plain",
    at: "mail 1",
    saidMs: 1_700_000_000_000,
    tags: ["from:Jürgen <j@example.org>", "subject:Keys", "message-id:<1@example.org>"],
  });
  assert.deepEqual(
    others.map((each) => [each.at, each.type]),
    [
      ["mail 1", "item"],
      ["mail 1", "item"],
      ["mail 1", "item"],
      ["mail 3", "passed over"],
    ],
  );
  const bad = [`{"at":1,"text":2}`, "[", "null", `{"text":"a","ms":-1,"from":7}`].join("\n");
  assert.deepEqual(short(read(new MailReader(), bad)), [
    ["", "it has no text"],
    ["line 2", "it is no mail"],
    ["line 3", "it is no mail"],
    ["", "a"],
  ]);
});
