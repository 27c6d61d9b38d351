/**
 * Memories that are found by a model of the person's: chosen by command, asked by an action that is judged,
 * gone without when it does not answer, made up for later; and a text that may not leave does not.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { EmbeddingServer } from "../lib/embedding-server.ts";
import { type ActionView, Place, ranOf } from "./support.ts";

let place: Place;
let server: EmbeddingServer;
let port = 0;
before(async () => {
  place = await Place.open();
  server = await EmbeddingServer.start();
  ({ port } = server);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

/** The actions of one run, what was embedded for them apart. */
const ask = async (text: string): Promise<{ own: ActionView[]; embedded: ActionView[] }> => {
  const ran = ranOf(await place.ioi("run", "--json", text));
  assert.equal(ran.code, 0, `${ran.stderr}${JSON.stringify(ran.view)}`);
  const isEmbed = ({ target }: ActionView): boolean => target === "model::embed";
  const { actions } = ran.view;
  return { own: actions.filter((each) => !isEmbed(each)), embedded: actions.filter(isEmbed) };
};
const saidBy = (action: ActionView | undefined): Readonly<Record<string, string>> =>
  action?.outcome?.evidence ?? {};
const contentOf = (action: ActionView | undefined): string => action?.outcome?.content ?? "";

test("a chosen model finds what shares no word with the question, by a judged action", async () => {
  await ask("/remember Ann likes tea.");
  const add = ["models", "add", "local/meanings", "--url", server.url, "--memory", "--json"];
  const added = await place.ioi(...add);
  assert.equal(added.code, 0, added.stderr);
  assert.equal((added.json as { model: { memory: boolean } }).model.memory, true);
  const { own, embedded } = await ask(
    "/recall which beverage && /remember The key is under the mat. && /recall which beverage",
  );
  const [early, kept, found] = own;
  assert.match(saidBy(early)["no_vectors"] ?? "", /once something is remembered/);
  assert.equal(saidBy(kept)["found_by"], "words and vectors of meanings");
  for (const { verdict, outcome, receipt } of embedded) {
    assert.deepEqual([verdict, outcome?.status], ["allow", "confirmed"]);
    assert.ok(receipt !== null && outcome?.receipt !== null, "with its receipts");
  }
  assert.match(contentOf(found), /^1\. memory 0 .*\n {3}Ann likes tea\./);
  assert.match(contentOf(found), /Found by words and vectors of meanings\.\nProof verified/);
});

test("when it does not answer words go on and say so; what waited is made up for", async () => {
  await server[Symbol.asyncDispose]();
  const without = await ask("/recall which beverage && /recall key && /remember Bob has a cat.");
  const [other, key, waits] = without.own;
  assert.equal(saidBy(other)["answers"], "0", "the control: by words there is nothing");
  assert.equal(saidBy(key)["found_by"], "words");
  assert.match(contentOf(key), /memory 1 [^]*Found by words \(no vectors: /);
  assert.match(contentOf(waits), /waits for its vector/);
  assert.equal(saidBy(waits)["without_vectors"], "1");
  server = await EmbeddingServer.start(port);
  const again = await ask("/remember The gate is green. && /recall which animal");
  assert.deepEqual(server.texts.slice(0, 2), ["The gate is green.", "Bob has a cat."]);
  assert.equal(saidBy(again.own[0])["without_vectors"], undefined);
  assert.match(contentOf(again.own[1]), /^1\. memory 2 /);
});

test("a text that a rule keeps from models is kept, and goes to none", async () => {
  const file = path.join(place.data, "guardian/policy.toml");
  const shipped = fs.readFileSync(file, "utf8");
  const canary = "AKIAIOSFODNN7EXAMPLE";
  const rule = `
[[rule]]
id = "no-secrets"
effect = "deny"
target = ["model::embed"]
where.input = { contains_kind = "SECRET" }
`;
  fs.writeFileSync(file, shipped + rule);
  const { own } = await ask(`/remember The cloud is opened by ${canary}. && /recall cloud`);
  assert.match(saidBy(own[0])["no_vectors"] ?? "", /secret/i);
  assert.ok(!server.texts.join("\n").includes(canary), "no byte of it came to the server");
  assert.ok(contentOf(own[1]).includes(canary), "found by words");
  fs.writeFileSync(file, shipped);
  await ask("/remember A ladder.");
  assert.ok(
    server.texts.join("\n").includes(canary),
    "the control: without the rule it goes there",
  );
});

test("none: words find everything, and nobody is asked", async () => {
  const chosen = await place.ioi("models", "memory", "none", "--json");
  assert.equal(chosen.code, 0, chosen.stderr);
  const before_ = server.texts.length;
  const { own, embedded } = await ask("/recall key");
  assert.deepEqual([saidBy(own[0])["found_by"], embedded], ["words", []]);
  assert.equal(server.texts.length, before_);
});
