/** Rules on content are kept by every driver on the very bytes, before anything happens. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import type { Obligation } from "@ioi/wire";
import { contentRef, Session } from "./support.ts";

const noIban: Obligation = {
  type: "content",
  rule: "accounts-stay",
  reason: "They stay.",
  refuse: [[{ type: "kind", kind: "IBAN", negated: false }]],
};

test("content that a rule refuses is not written, and the outcome says which", async () => {
  await using s = new Session();
  const write = async (text: string, obligations: readonly Obligation[]) => {
    const content = Buffer.from(text);
    const args = { path: s.path("a.txt"), content: contentRef(content), create: "any" };
    return await s.run("fs::write", args, { content, obligations });
  };
  const snapshot = { type: "snapshot" } as const;
  const iban = "pay to DE89 3704 0044 0532 0130 00";
  const refused = await write(iban, [snapshot, noIban]);
  assert.deepEqual(
    [refused.outcome?.status, refused.errorCode, refused.message],
    [
      "refused",
      "E_CONTENT_REFUSED",
      'rule "accounts-stay" refuses this content: it holds IBAN. They stay.',
    ],
  );
  assert.equal(fs.existsSync(s.path("a.txt")), false);
  const other = await write("pay nobody", [snapshot, noIban]);
  assert.equal(other.outcome?.status, "confirmed");
  // Control: without the obligation the same bytes are written.
  const written = await write(iban, [snapshot]);
  assert.equal(written.outcome?.status, "confirmed");
  assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), iban);
});

test("an obligation on content that an action does not have is one that nobody keeps", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("a.txt"), "a");
  const read = await s.run("fs::read", { path: s.path("a.txt") }, { obligations: [noIban] });
  assert.deepEqual([read.outcome?.status, read.errorCode], ["refused", "E_OBLIGATION_UNKEPT"]);
});
