import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toBase64 } from "@ioi/base";
import {
  type Checkpoint,
  checkpointKeyId,
  formatCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from "@ioi/crypto";
import { seededProvider } from "./seeded-provider.ts";

const seed = Number(process.env["IOI_SEED"] ?? 2);
const provider = seededProvider("checkpoint");
const key = provider.generate("ml-dsa-65");
const checkpoint: Checkpoint = {
  origin: "ioi.local/receipts/0123abcd",
  size: 20_852_163,
  root: provider.sha256(Uint8Array.of(1)),
  extensions: [],
};
const note = signCheckpoint(provider, key, checkpoint);
const known = { name: checkpoint.origin, publicKey: key.publicKey };

/** The example of the C2SP specification of checkpoints. */
const published = [
  "example.com/behind-the-sofa",
  "20852163",
  "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
  "",
  "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=",
  "",
].join("\n");

test("a signed checkpoint reads back and verifies", () => {
  assert.deepEqual(verifyCheckpoint(provider, known, note), { ok: true, value: checkpoint });
  const lines = note.split("\n");
  assert.deepEqual(lines.slice(0, 4), [
    checkpoint.origin,
    "20852163",
    toBase64(checkpoint.root),
    "",
  ]);
  assert.equal(lines.length, 6);
});

test("the published example parses, and formats back to the same bytes", () => {
  const parsed = parseCheckpoint(published);
  assert.ok(parsed.ok);
  const { checkpoint: found, signatures, text } = parsed.value;
  assert.equal(found.origin, "example.com/behind-the-sofa");
  assert.equal(found.size, 20_852_163);
  assert.equal(signatures.length, 1);
  assert.equal(signatures[0]?.signature.length, 64);
  assert.ok(published.startsWith(text) && text.endsWith("=\n"));
  assert.equal(formatCheckpoint(found, signatures), published);
});

test("the key id is over name, type, identifier and key", () => {
  const input = Buffer.concat([
    Buffer.from(`${known.name}\n`),
    Buffer.from([0xff]),
    Buffer.from("ioi/guardian/checkpoint/v1/ml-dsa-65"),
    known.publicKey,
  ]);
  assert.deepEqual(checkpointKeyId(provider, known), provider.sha256(input).slice(0, 4));
});

test("lines of others are ignored; a spoiled line of ours spoils the note", () => {
  const parsed = parseCheckpoint(note);
  assert.ok(parsed.ok);
  const [ours] = parsed.value.signatures;
  assert.ok(ours !== undefined);
  const foreign = {
    name: "witness.example",
    keyId: Uint8Array.of(1, 2, 3, 4),
    signature: key.publicKey,
  };
  const sameName = { ...foreign, name: checkpoint.origin };
  const together = formatCheckpoint(checkpoint, [foreign, sameName, ours]);
  assert.equal(verifyCheckpoint(provider, known, together).ok, true);
  const without = formatCheckpoint(checkpoint, [foreign, sameName]);
  assert.equal(verifyCheckpoint(provider, known, without).ok, false);
  const spoiled = {
    ...ours,
    signature: ours.signature.map((byte, i) => (i === 9 ? byte ^ 1 : byte)),
  };
  const mixed = formatCheckpoint(checkpoint, [ours, spoiled]);
  assert.equal(verifyCheckpoint(provider, known, mixed).ok, false);
});

test("another size, root, origin, extension or key does not verify", () => {
  const parsed = parseCheckpoint(note);
  assert.ok(parsed.ok);
  const { signatures } = parsed.value;
  for (const changed of [
    { ...checkpoint, size: checkpoint.size + 1 },
    { ...checkpoint, root: provider.sha256(checkpoint.root) },
    { ...checkpoint, origin: `${checkpoint.origin}x` },
    { ...checkpoint, extensions: ["more"] },
  ]) {
    const forged = formatCheckpoint(changed, signatures);
    assert.equal(verifyCheckpoint(provider, known, forged).ok, false);
  }
  const publicKey = provider.generate("ml-dsa-65").publicKey;
  assert.equal(verifyCheckpoint(provider, { ...known, publicKey }, note).ok, false);
});

test("any one changed character is refused", () => {
  fc.assert(
    fc.property(
      fc.nat(note.length - 1),
      fc.constantFrom("\n", " ", "0", "A", "\t", "="),
      (at, c) => {
        const changed = note.slice(0, at) + c + note.slice(at + 1);
        const verdict = verifyCheckpoint(provider, known, changed);
        assert.equal(verdict.ok, changed === note);
      },
    ),
    { seed, numRuns: 150 },
  );
});

test("malformed notes are refused with a reason", () => {
  const parts = published.split("\n");
  const withLine = (at: number, line: string): string =>
    parts.map((old, i) => (i === at ? line : old)).join("\n");
  const signature = parts[4] as string;
  const cases = [
    "",
    "\n\n",
    "a\n1\n\n",
    published.slice(0, -1),
    published.replace("\n\n", "\n"),
    withLine(1, "007"),
    withLine(1, "-1"),
    withLine(1, "1e3"),
    withLine(1, "9007199254740992"),
    withLine(1, "123456789012345678901"),
    withLine(2, "AAAA"),
    withLine(2, `${parts[2]} `),
    withLine(0, ""),
    withLine(0, "tab\there"),
    withLine(4, signature.replace("\u2014", "-")),
    withLine(4, `${signature} more`),
    withLine(4, signature.replace("sofa ", "so+fa ")),
    withLine(4, "\u2014 name AAAA"),
    published + "x".repeat(70_000),
    `${parts.slice(0, 4).join("\n")}\n${`${signature}\n`.repeat(17)}`,
  ];
  for (const text of cases) {
    const parsed = parseCheckpoint(text);
    assert.equal(parsed.ok, false, text.slice(0, 200));
    if (!parsed.ok) assert.equal(parsed.error.code, "E_CHECKPOINT_INVALID");
  }
  assert.equal(
    parseCheckpoint(`${parts.slice(0, 4).join("\n")}\n${`${signature}\n`.repeat(16)}`).ok,
    true,
  );
});

test("parsing is total, and what parses formats back", () => {
  const piece = fc.oneof(
    fc.constantFrom(...published.split("\n"), "\n", "\n\n", "\u2014 ", " "),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
      const text = pieces.join("\n");
      const parsed = parseCheckpoint(text);
      if (parsed.ok) {
        assert.equal(formatCheckpoint(parsed.value.checkpoint, parsed.value.signatures), text);
      }
    }),
    { seed, numRuns: 2000 },
  );
});
