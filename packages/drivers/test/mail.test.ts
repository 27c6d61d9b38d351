/** Mailboxes: split however their bytes come, decoded by what they say of themselves, and bounded. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { mailBytesMax } from "../src/limits.ts";
import { wordsOf } from "../src/mail/html-words.ts";
import { MboxSplitter, mailTexts } from "../src/mail/mbox.ts";

const mailbox = [
  "From anna@example.org Sat Jan  3 01:05:34 2024",
  "From: =?iso-8859-1?Q?J=FCrgen?= <j@example.org>",
  "Subject: =?utf-8?B?R3LDvMOfZQ==?=",
  "Message-ID: <1@example.org>",
  "Date: Wed, 3 Jan 2024 01:05:34 +0100",
  "MIME-Version: 1.0",
  "Content-Type: multipart/mixed; boundary=x",
  "",
  "--x",
  "Content-Type: text/plain; charset=iso-8859-1",
  "Content-Transfer-Encoding: quoted-printable",
  "",
  "Gr=FC=DFe aus K=F6ln.",
  ">From here it is quoted,",
  "From here not, for no empty line stands before.",
  "--x",
  "Content-Type: text/plain; name=a.txt",
  "Content-Disposition: attachment; filename=a.txt",
  "",
  "What is attached is nobody's words.",
  "--x--",
  "",
  "From b Sat Jan  3 01:05:34 2024",
  "Content-Type: text/html",
  "",
  "<head><style>p { color: red }</style></head><P>One &amp; two</p><script>x()</script><br>three",
  "",
  "From c Sat Jan  3 01:05:34 2024",
  "Subject: nothing",
  "",
  "",
].join("\n");

const read = async (bytes: Uint8Array | string): Promise<readonly Record<string, unknown>[]> => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-mail-"));
  try {
    const file = path.join(folder, "a.mbox");
    fs.writeFileSync(file, bytes);
    const lines: string[] = [];
    for await (const text of mailTexts(file, new AbortController().signal)) lines.push(text);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
};

test("mails are decoded by what they say of themselves; what is attached stays out", async () => {
  assert.deepEqual(await read(mailbox), [
    {
      at: "mail 1",
      from: "Jürgen <j@example.org>",
      id: "<1@example.org>",
      subject: "Grüße",
      text: "Grüße aus Köln.\nFrom here it is quoted,\nFrom here not, for no empty line stands before.",
      ms: Date.UTC(2024, 0, 3, 0, 5, 34),
    },
    { at: "mail 2", from: "", id: "", subject: "", text: "One & two\n \nthree" },
    { at: "mail 3", why: "it has no text" },
  ]);
});

test("the same mails, however the bytes come in pieces", () => {
  const seed = process.env["IOI_SEED"] ?? "mbox";
  const random = new SeededRandom(seed);
  const bytes = Buffer.from(mailbox.replaceAll("\n", "\r\n"));
  const whole = new MboxSplitter();
  const all = [...whole.push(bytes), ...whole.end()];
  assert.equal(all.length, 3);
  for (let round = 0; round < 50; round++) {
    const splitter = new MboxSplitter();
    const mails = [];
    for (let at = 0; at < bytes.length;) {
      const to = at + 1 + random.below(200);
      mails.push(...splitter.push(bytes.subarray(at, to)));
      at = to;
    }
    mails.push(...splitter.end());
    assert.deepEqual(mails, all, seed);
  }
});

test("what is no mailbox is refused, and what is too long is passed over", async () => {
  await assert.rejects(read("Dear Anna,\n"), { code: "E_SCS_IMPORT" });
  assert.deepEqual(await read(""), []);
  const splitter = new MboxSplitter();
  const piece = Buffer.alloc(1024 * 1024, 97);
  splitter.push(Buffer.from("From a\n\n"));
  for (let sent = 0; sent <= mailBytesMax; sent += piece.length) splitter.push(piece);
  const mails = [...splitter.push(Buffer.from("\n\nFrom b\n\nshort\n")), ...splitter.end()];
  assert.deepEqual(
    mails.map(({ number, bytes }) => [number, bytes?.toString()]),
    [
      [1, undefined],
      [2, "\nshort\n"],
    ],
  );
});

test("hostile parts: nested without end, and HTML that never closes", async () => {
  const nested = Array.from(
    { length: 100 },
    (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\n\n--b${i}\n`,
  ).join("");
  const [mail] = await read(`From a\n${nested}`);
  assert.match(String(mail?.["why"]), /nest/i);
  for (const open of ["<style>", "<", "<a ", "&amp"]) wordsOf(open.repeat(200_000));
  assert.equal(wordsOf("a&#x41;&#0;&nope;<b>c"), "aA&#0;&nope; c");
});
