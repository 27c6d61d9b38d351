/** Content in receipts: sealed for its session, committed to, and not to be found in any file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, utf8Encode } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import fc from "fast-check";
import { checkpointsPath, openContent, receiptsPath, sealContent } from "../src/index.ts";
import { answerOf, inWork, readOf, statementOf, World, writeOf } from "./support.ts";

const key = new Uint8Array(32).fill(1);
const content = utf8Encode("what the action contained");

test("what was sealed opens under its key and commitment, and is what was put in", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const sealed = sealContent(nodeCrypto, key, bytes);
      assert.deepEqual(openContent(nodeCrypto, key, sealed), bytes);
    }),
    { numRuns: 200, seed: 20_260_103 },
  );
});

test("under another key, or with any byte changed, nothing opens", () => {
  const { commitment, sealed } = sealContent(nodeCrypto, key, content);
  assert.equal(openContent(nodeCrypto, new Uint8Array(32), { commitment, sealed }), undefined);
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.with(at, (sealed[at] ?? 0) ^ 1);
    assert.equal(openContent(nodeCrypto, key, { commitment, sealed: changed }), undefined);
  }
  for (let at = 0; at < commitment.length; at++) {
    const changed = commitment.with(at, (commitment[at] ?? 0) ^ 1);
    assert.equal(openContent(nodeCrypto, key, { commitment: changed, sealed }), undefined);
  }
  for (let length = 0; length < sealed.length; length++) {
    const short = { commitment, sealed: sealed.subarray(0, length) };
    assert.equal(openContent(nodeCrypto, key, short), undefined);
  }
});

test("equal content gives other bytes each time, and its commitment cannot be guessed", () => {
  const [one, two] = [sealContent(nodeCrypto, key, content), sealContent(nodeCrypto, key, content)];
  assert.notDeepEqual(one.commitment, two.commitment);
  assert.notDeepEqual(one.sealed, two.sealed);
  assert.notDeepEqual(domainHash(nodeCrypto, domains.content, content), one.commitment);
});

test("one receipt can be shown alone: salt and content open the commitment, without the key", () => {
  const { commitment, sealed } = sealContent(nodeCrypto, key, content);
  const plain = nodeCrypto.open(key, sealed.subarray(0, 12), sealed.subarray(12), commitment);
  assert.ok(plain !== undefined);
  const salt = plain.subarray(0, 32);
  assert.deepEqual(domainHash(nodeCrypto, domains.content, concatBytes(salt, content)), commitment);
});

const canaries = {
  words: "kanarie-words",
  more: "kanarie-more",
  name: "kanarie-name.txt",
  written: "kanarie-content",
};

const busy = async (): Promise<{ world: World; id: string }> => {
  const world = await World.open();
  const { id, driver } = await world.session(`read ${canaries.words}`);
  await world.utter({ session: id, text: canaries.more });
  const read = world.openTicket(
    (await world.propose(driver, readOf(inWork(canaries.name)))).ticket,
  );
  const write = writeOf(inWork("b.txt"), canaries.written);
  const { approval } = await world.propose(driver, write);
  await world.person.decide(answerOf(statementOf(world.card(approval ?? ""))));
  await world.propose(driver, write);
  await world.propose(driver, readOf(inWork(`secret/${canaries.name}`)));
  await world.gate.report(driver.outcome(read));
  await world.core.receipts.checkpoint();
  return { world, id };
};

const contains = (bytes: Uint8Array, text: string): boolean =>
  Buffer.from(bytes).includes(Buffer.from(text)) ||
  Buffer.from(bytes).includes(Buffer.from(text, "utf16le")) ||
  Buffer.from(bytes).toString("latin1").includes(Buffer.from(text).toString("hex"));

test("nothing of the words or of an action is in the Guardian's files or log", async () => {
  const { world, id } = await busy();
  const files = await world.files.list("");
  assert.deepEqual(files, [checkpointsPath, "keystore", "keystore.key", receiptsPath]);
  for (const path of files) {
    const bytes = await world.files.readFile(path, 1e6);
    for (const canary of [...Object.values(canaries), "kanarie", "/home/p/work"]) {
      assert.equal(contains(bytes, canary), false, `${canary} in ${path}`);
    }
  }
  assert.doesNotMatch(JSON.stringify(world.log.lines), /kanarie|home/);
  // The control: what must be readable is, and the search finds it.
  const receipts = await world.files.readFile(receiptsPath, 1e6);
  assert.equal(contains(receipts, "fs::write"), true);
  assert.equal(contains(receipts, id), true);
});

test("the control: opened, every canary is there", async () => {
  const { world, id } = await busy();
  let opened = "";
  for (const leaf of await world.leaves()) {
    const sealed =
      leaf.type === "intent" ? leaf.action : leaf.type === "session-open" ? leaf.words : undefined;
    if (sealed === undefined) continue;
    const plain = world.core.open(id, sealed);
    assert.ok(plain !== undefined, leaf.type);
    opened += Buffer.from(plain).toString("latin1");
    assert.equal(world.core.open("s-000000000000", sealed), undefined, "another session's key");
  }
  for (const canary of Object.values(canaries)) assert.ok(opened.includes(canary), canary);
});

test("a restarted Guardian reads its sealed words and actions again", async () => {
  const { world, id } = await busy();
  const next = await world.restart();
  const session = next.core.ledger.sessions.get(id);
  assert.deepEqual(session?.words, [`read ${canaries.words}`, canaries.more]);
  const shown = (await next.person.receipts(0, 0, "")).map(({ display }) => display);
  assert.ok(shown.some((text) => text.includes(canaries.name)));
});

test("a Guardian without the key store of a log shows its receipts, and no content", async () => {
  const { world, id } = await busy();
  const other = await World.open({ seed: "other" });
  const foreign = await world.leaves();
  for (const [index, leaf] of foreign.entries()) other.core.restore(leaf, index);
  assert.deepEqual(other.core.ledger.sessions.get(id)?.words, []);
  assert.equal(other.core.ledger.sessions.get(id)?.workspace, undefined);
});
