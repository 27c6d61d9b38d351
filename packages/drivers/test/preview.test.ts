/** What a person sees before a write or a removal: the change, signed, bounded, visible. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { SeededRandom, toHex, utf8Encode } from "@ioi/base";
import { domainHash, domains, verifyPayload } from "@ioi/crypto";
import { isVisible } from "@ioi/firewall/preview";
import { nodeCrypto } from "@ioi/host/crypto";
import { previewStatement, type PreviewStatement, schema } from "@ioi/wire";
import type { PreviewOutput } from "../src/core/handlers.ts";
import { loadCompare, previewText } from "../src/files/preview.ts";
import {
  contentBytesMax,
  previewCharsMax,
  previewLineCharsMax,
  previewLinesMax,
} from "../src/limits.ts";
import { contentRef, type Preparation, Session } from "./support.ts";

const seed = process.env["IOI_TEST_SEED"] ?? "preview-1";
const compare = await loadCompare();
const signal = new AbortController().signal;
const bytes = (text: string): Uint8Array => utf8Encode(text);
const text = (before: string | undefined, after: string | undefined): string =>
  previewText(
    before === undefined ? undefined : bytes(before),
    after === undefined ? undefined : bytes(after),
    compare,
  );

const prepared = async (
  s: Session,
  target: string,
  args: Parameters<Session["prepare"]>[1],
): Promise<Preparation> => {
  const preparation = await s.prepare(target, args);
  assert.ok(typeof preparation !== "string", "it is prepared");
  return preparation;
};

const writeOf = (s: Session, name: string, content: Uint8Array): Promise<Preparation> =>
  prepared(s, "fs::write", {
    path: s.path(name),
    content: contentRef(content),
    create: "any",
  });

const previewed = (
  s: Session,
  { prepared: { nonce } }: Preparation,
  content: Uint8Array = new Uint8Array(),
) => s.handlers.preview({ nonce, content }, { signal });

/** The statement, once its signature and its text are known to fit. */
const opened = (s: Session, made: PreviewOutput): PreviewStatement => {
  assert.equal(made.errorCode, "", made.errorMessage);
  const payload = verifyPayload(nodeCrypto, "ed25519", s.instanceKey.publicKey, domains.preview, {
    payload: made.statement,
    signature: made.signature,
  });
  assert.ok(payload.ok);
  const statement = schema.decode(previewStatement, payload.value);
  assert.ok(statement.ok);
  const hash = domainHash(nodeCrypto, domains.preview, utf8Encode(made.text));
  assert.equal(toHex(statement.value.textHash), toHex(hash));
  return statement.value;
};

test("a write over a file says line by line what changes, and names both contents", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("a.txt"), "one\ntwo\nthree\n");
  const content = bytes("one\n2\nthree\nfour\n");
  const preparation = await writeOf(s, "a.txt", content);
  const before = nodeCrypto.sha256(bytes("one\ntwo\nthree\n"));
  assert.deepEqual(preparation.action.facts["path"]?.before, before);
  const made = await previewed(s, preparation, content);
  assert.deepEqual(opened(s, made), {
    version: 1,
    instanceId: s.instanceId,
    nonce: preparation.prepared.nonce,
    session: "s1",
    actionId: preparation.prepared.actionId,
    before,
    after: nodeCrypto.sha256(content),
    textHash: domainHash(nodeCrypto, domains.preview, utf8Encode(made.text)),
  });
  assert.equal(made.text, "14 bytes become 17\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+four\n");
  // It permits nothing and uses nothing up: the same nonce is acted on afterwards.
  const ran = await s.act(preparation.prepared.nonce, s.ticket(preparation), content);
  assert.equal(ran.outcome?.status, "confirmed");
  assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), "one\n2\nthree\nfour\n");
  assert.equal((await previewed(s, preparation, content)).errorCode, "E_TICKET_MISSING");
});

test("a new file, a removal and what is no file's content", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("gone.txt"), "x\ny");
  fs.mkdirSync(s.path("d"));
  const content = bytes("hello\n");
  const fresh = await writeOf(s, "new.txt", content);
  const made = await previewed(s, fresh, content);
  assert.equal(made.text, "a new file of 6 bytes\n@@ -0,0 +1,1 @@\n+hello\n");
  const statement = opened(s, made);
  assert.equal(statement.before, undefined);
  const removal = await previewed(s, await prepared(s, "fs::delete", { path: s.path("gone.txt") }));
  assert.equal(removal.text, "3 bytes go\n@@ -1,2 +0,0 @@\n-x\n-y\n\\ No newline at end of file\n");
  assert.equal(opened(s, removal).after, undefined);
  for (const [target, args] of [
    ["fs::delete", { path: s.path("d") }],
    ["fs::read", { path: s.path("gone.txt") }],
    ["fs::move", { path: s.path("gone.txt"), to: s.path("b.txt") }],
  ] as const) {
    const none = await previewed(s, await prepared(s, target, args));
    assert.deepEqual([none.errorCode, none.text, none.signature.length], ["E_PREVIEW_NONE", "", 0]);
  }
  const other = await previewed(s, fresh, bytes("other"));
  assert.equal(other.errorCode, "E_CONTENT_MISMATCH");
});

for (const [what, target] of [
  ["a write", "fs::write"],
  ["a removal", "fs::delete"],
] as const) {
  test(`${what} ends the content that was looked at and no other`, async () => {
    await using s = new Session();
    fs.writeFileSync(s.path("a.txt"), "looked at");
    const content = target === "fs::write" ? bytes("new") : new Uint8Array();
    const prepare = (): Promise<Preparation> =>
      target === "fs::write"
        ? writeOf(s, "a.txt", content)
        : prepared(s, target, { path: s.path("a.txt") });
    const preparation = await prepare();
    // The same file, the same size; even the times are put back.
    const { atime, mtime } = fs.statSync(s.path("a.txt"));
    fs.writeFileSync(s.path("a.txt"), "another's");
    fs.utimesSync(s.path("a.txt"), atime, mtime);
    const shown = await previewed(s, preparation, content);
    assert.equal(shown.errorCode, "E_FS_CHANGED");
    const ran = await s.act(preparation.prepared.nonce, s.ticket(preparation), content);
    assert.deepEqual([ran.outcome?.status, ran.errorCode], ["refused", "E_FS_CHANGED"]);
    assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), "another's");
    // Another content is another action: what was approved for the first does not fit it.
    const again = await prepare();
    assert.notDeepEqual(again.prepared.actionId, preparation.prepared.actionId);
    // The control: unchanged, the same ticket's like does it.
    const done = await s.act(again.prepared.nonce, s.ticket(again), content);
    assert.equal(done.outcome?.status, "confirmed", done.message);
  });
}

test("a file too large to be read beforehand is held to its state", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("big"), "");
  fs.truncateSync(s.path("big"), 16_777_217);
  const preparation = await writeOf(s, "big", bytes("small"));
  assert.equal(preparation.action.facts["path"]?.before, undefined);
  const made = await previewed(s, preparation, bytes("small"));
  assert.equal(made.text, "16777217 bytes become 5: too large to be shown\n");
  opened(s, made);
  const fd = fs.openSync(s.path("big"), "r+");
  fs.writeSync(fd, "x", 7);
  fs.closeSync(fd);
  const ran = await s.act(preparation.prepared.nonce, s.ticket(preparation), bytes("small"));
  assert.deepEqual([ran.outcome?.status, ran.errorCode], ["refused", "E_FS_CHANGED"]);
  const again = await writeOf(s, "big", bytes("small"));
  const done = await s.act(again.prepared.nonce, s.ticket(again), bytes("small"));
  assert.equal(done.outcome?.status, "confirmed", done.message);
});

test("what cannot be seen is shown by number, what is not text is said to be none", () => {
  const bidi = text("pay alice\n", "pay \u202Ealice\u2066\u200B\u0007\r\n");
  assert.equal(
    bidi,
    "10 bytes become 21\n@@ -1,1 +1,1 @@\n-pay alice\n+pay \u27e8U+202E\u27e9alice" +
      "\u27e8U+2066\u27e9\u27e8U+200B\u27e9\u27e8U+0007\u27e9\u27e8U+000D\u27e9\n",
  );
  assert.ok(bidi.split("\n").every(isVisible));
  const binary = previewText(new Uint8Array([1, 2, 0]), new Uint8Array([1, 3, 0xff]), compare);
  assert.equal(binary, "3 bytes become 3: not text; they differ from byte 2 on\n");
  assert.equal(
    previewText(undefined, new Uint8Array([0xc3]), compare),
    "a new file of 1 byte: not text\n",
  );
  assert.equal(text("a\0b", "ab"), "3 bytes become 2: not text; they differ from byte 2 on\n");
  assert.equal(text("same\n", "same\n"), "5 bytes become 5: nothing changes\n");
  assert.equal(text(undefined, ""), "a new file of 0 bytes\n");
});

test("a difference far behind in a long line is the part that is shown", () => {
  const long = "a".repeat(5_000);
  const shown = text(`${long}good\n`, `${long}evil\n`);
  assert.match(shown, /^-\(from character \d+\) a+good \(of 5004 characters\)$/m);
  assert.match(shown, /^\+\(from character \d+\) a+evil \(of 5004 characters\)$/m);
});

test("a million lines, and lines without likeness, are shown in bounds", () => {
  const many = "x\n".repeat(1_000_000);
  const one = text(many, `${many.slice(0, 1_000_000)}Y\n${many.slice(1_000_000)}`);
  assert.equal(
    one,
    "2000000 bytes become 2000002\n@@ -499998,6 +499998,7 @@\n" +
      one.split("\n").slice(2).join("\n"),
  );
  assert.match(one, /^\+Y$/m);
  const random = new SeededRandom(`${seed}/lines`);
  const noise = (lines: number): string =>
    Array.from({ length: lines }, () => `${random.below(1 << 30)}\n`).join("");
  const wholes: readonly (readonly [string, string])[] = [
    [noise(150_000), noise(150_000)],
    [noise(8_000), noise(8_000)],
    [noise(15_000), ""],
    ["\n".repeat(contentBytesMax), "x".repeat(contentBytesMax)],
    ["a\nb\n".repeat(9_000), "b\nc\n".repeat(9_000)],
    [`${"p".repeat(190)}1\n`.repeat(9_000), `${"p".repeat(190)}2\n`.repeat(9_000)],
  ];
  for (const [before, after] of wholes) {
    const shown = text(before, after);
    const lines = shown.split("\n");
    assert.ok(lines.length <= previewLinesMax + 2, `${lines.length} lines`);
    assert.ok(
      shown.length <= previewCharsMax + 2 * previewLineCharsMax,
      `${shown.length} characters`,
    );
    assert.match(shown, /^\.\.\. \d+ more changed lines, not shown$/m);
  }
});

test("what a short preview says is what patch(1) makes of it", (t) => {
  t.diagnostic(`seed ${seed}`);
  const folder = fs.mkdtempSync(path.join(fs.realpathSync("/tmp"), "ioi-preview-"));
  try {
    const random = new SeededRandom(`${seed}/patch`);
    for (let round = 0; round < 60; round++) {
      const line = (): string => `${"abcdef"[random.below(6)] ?? ""}${random.below(4)}`;
      const base = Array.from({ length: 1 + random.below(40) }, line);
      const next = base.flatMap((each) =>
        random.below(8) === 0 ? [] : random.below(8) === 0 ? [line(), each] : [each],
      );
      const end = (): string => (random.below(4) === 0 ? "" : "\n");
      const [before, after] = [base.join("\n") + end(), next.join("\n") + end()];
      if (before === after) continue;
      const file = path.join(folder, "f");
      fs.writeFileSync(file, before);
      const hunks = text(before, after).split("\n").slice(1).join("\n");
      const input = `--- f\n+++ f\n${hunks}`;
      const ran = spawnSync("patch", ["--quiet", "--posix", file], { input, timeout: 10_000 });
      assert.equal(ran.status, 0, `round ${round}\n${input}`);
      const made = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
      assert.equal(made, after, `round ${round}\n${input}`);
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
