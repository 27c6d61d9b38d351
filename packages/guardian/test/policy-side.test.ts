/**
 * Changing the policy: what a change shows, who may put it in force, what must not, and what a crash
 * leaves. Texts are judged by the production functions; the files are simulated.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { p256 } from "@noble/curves/nist.js";
import { concatBytes, toHex, utf8Decode, utf8Encode } from "@ioi/base";
import { type Domain, domainBytes, domains, type PrivateKey, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/ports";
import { SimFiles } from "@ioi/sim";
import { pairStatement, policyStatement, schema, webauthnAssertion } from "@ioi/wire";
import {
  deviceIdOf,
  DeviceSide,
  type DeviceSigned,
  type PolicyChange,
  PolicySide,
  PolicyTexts,
} from "../src/index.ts";
import { type PolicyAnswer, runPolicyTask } from "../src/policy/tasks.ts";
import {
  device as terminal,
  inWork,
  PolicyText,
  policyText,
  readOf,
  stranger,
  World,
  writeOf,
} from "./support.ts";

const origin = "http://approve.localhost:9001";
const before = policyText();
const wider = `${policyText()}
[[rule]]
id = "write"
effect = "allow"
target = ["fs::write"]
where.path = { glob = "scope:/**" }
`;

const bench = {
  run: (task: Parameters<typeof runPolicyTask>[0]): Promise<PolicyAnswer> =>
    Promise.resolve(runPolicyTask(structuredClone(task), { hashing: nodeCrypto, parseUrl })),
};

interface Place {
  readonly world: World;
  readonly texts: PolicyTexts;
  readonly side: PolicySide;
}

const textIn = async (files: SimFiles): Promise<string> =>
  utf8Decode(await files.readFile("policy.toml", 1_000_000)) ?? "";

/** Another life: the file that is there is what decisions go by. */
const opened = async (files: SimFiles): Promise<Place> => {
  const world = await World.open({ files, policy: new PolicyText(await textIn(files)) });
  const texts = await PolicyTexts.open(world.files, nodeCrypto, world.core.policyBook.last);
  world.policy.set(await textIn(world.files));
  return { world, texts, side: new PolicySide(world.core, texts, bench) };
};

const fresh = async (text = before): Promise<Place> => {
  const files = new SimFiles({ seed: "policy-side" });
  await files.replaceFile("policy.toml", utf8Encode(text));
  return await opened(files);
};

const signed = (
  { statement }: Pick<PolicyChange, "statement">,
  key: PrivateKey<"ed25519"> = terminal,
  domain: Domain = domains.policyChange,
): DeviceSigned => {
  const { payload, signature } = signPayload(nodeCrypto, key, domain, statement);
  return { statement: payload, signature, device: key.publicKey };
};

const code = (wanted: string) => ({ code: wanted });

const hashNow = async (side: PolicySide): Promise<Uint8Array> => (await side.now()).textHash;

const proposed = async ({ side }: Place, text = wider): Promise<PolicyChange> =>
  await side.propose(text, await hashNow(side));

test("a change says what it newly allows, is signed, logged, and holds from the next action", async () => {
  const place = await fresh();
  const { world, side } = place;
  const { driver } = await world.session();
  const asks = await world.propose(driver, writeOf(inWork("new.txt")));
  assert.equal(asks.verdict, "ask");
  const change = await proposed(place);
  assert.match(change.card, /WIDER fs::write: ask -> allow, as /);
  assert.match(change.card, /\+ \d+: id = "write"/);
  assert.equal(change.notWider, false);
  assert.deepEqual(side.changes(), [change]);
  const saved = await side.save(signed(change));
  world.policy.set(await textIn(world.files));
  assert.equal(await textIn(world.files), wider);
  assert.equal((await side.now()).origin, "saved");
  assert.equal((await world.propose(driver, writeOf(inWork("new.txt")))).verdict, "allow");
  const leaf = (await world.leaves())[saved.index];
  assert.ok(leaf?.type === "policy-change");
  assert.deepEqual(
    [leaf.before, leaf.after, leaf.device],
    [change.before, change.after, terminal.publicKey],
  );
  const [version] = await side.history();
  assert.deepEqual(
    [version?.index, version?.device, version?.kept],
    [saved.index, "the terminal", true],
  );
  assert.equal((await side.earlier(toHex(change.before).slice(0, 8))).text, before);
  await assert.rejects(side.save(signed(change)), code("E_POLICY_CHANGE_UNKNOWN"));
});

test("a text that does not load is neither proposed nor saved", async () => {
  const place = await fresh();
  for (const [text, wanted] of [
    [`${before}\nefect = 1\n`, /^E_POLICY_/],
    [before.replace("version = 1", "version = 2"), /^E_POLICY_/],
    ["not toml [", /^E_POLICY_TOML$/],
    ["#".repeat(300_000), /^E_POLICY_TOO_LARGE$/],
    [before, /^E_POLICY_QUESTION$/],
  ] as const) {
    await assert.rejects(proposed(place, text), (error: { readonly code: string }) =>
      wanted.test(error.code),
    );
  }
  assert.deepEqual(place.side.changes(), []);
  // The control: what loads is proposed.
  assert.equal((await proposed(place)).card.length > 0, true);
});

test("a change is for the text that its author saw", async () => {
  const place = await fresh();
  const { world, side } = place;
  const base = await hashNow(side);
  const change = await side.propose(wider, base);
  const byHand = `${before}# by hand\n`;
  await world.files.replaceFile("policy.toml", utf8Encode(byHand));
  await assert.rejects(side.propose(`${wider}# more\n`, base), code("E_POLICY_BASE"));
  await assert.rejects(side.save(signed(change)), code("E_POLICY_BASE"));
  assert.equal(await textIn(world.files), byHand);
  assert.deepEqual(side.changes(), []);
  assert.deepEqual(await side.history(), []);
});

test("an edit by hand after a saved change is said", async () => {
  const place = await fresh();
  assert.equal((await place.side.now()).origin, "first");
  await place.side.save(signed(await proposed(place)));
  await place.world.files.replaceFile("policy.toml", utf8Encode(`${wider}# by hand\n`));
  assert.equal((await place.side.now()).origin, "edited");
});

const browser = (kind: "webcrypto" | "webauthn", seed: number) => {
  const secret = new Uint8Array(32).fill(seed);
  const publicKey = p256.getPublicKey(secret, false);
  const credentialId = new Uint8Array(kind === "webauthn" ? 16 : 0).fill(seed);
  return {
    kind,
    secret,
    publicKey,
    credentialId,
    id: deviceIdOf(nodeCrypto, kind, publicKey),
  };
};
type Browser = ReturnType<typeof browser>;

const pair = async (world: World, who: Browser): Promise<void> => {
  const side = new DeviceSide(world.core);
  const { kind, publicKey, credentialId, id } = who;
  const { code: digits } = side.offer({ kind, name: "B", publicKey, credentialId, origin });
  const statement = schema.encode(pairStatement, {
    type: "pair",
    version: 1,
    device: id,
    code: digits,
  });
  const { payload, signature } = signPayload(nodeCrypto, terminal, domains.pair, statement);
  await side.pair({ statement: payload, signature, device: terminal.publicKey });
};

const byBrowser = (who: Browser, { statement }: PolicyChange): DeviceSigned => {
  const bytes = domainBytes(domains.policyChange, statement);
  if (who.kind === "webcrypto") {
    const signature = p256.sign(bytes, who.secret, { format: "compact", prehash: true });
    return { statement, signature, device: who.id };
  }
  const clientDataJson = utf8Encode(
    JSON.stringify({
      type: "webauthn.get",
      challenge: Buffer.from(nodeCrypto.sha256(bytes)).toString("base64url"),
      origin,
    }),
  );
  const authenticatorData = concatBytes(
    nodeCrypto.sha256(utf8Encode("approve.localhost")),
    Uint8Array.of(5, 0, 0, 0, 1),
  );
  const over = concatBytes(authenticatorData, nodeCrypto.sha256(clientDataJson));
  const raw = p256.sign(over, who.secret, { format: "der", prehash: true });
  const signature = schema.encode(webauthnAssertion, {
    authenticatorData,
    clientDataJson,
    signature: raw,
  });
  return { statement, signature, device: who.id };
};

test("an authenticator may change the policy, a browser's own key and strangers may not", async () => {
  const place = await fresh();
  const { world, side } = place;
  const [weak, strong] = [browser("webcrypto", 7), browser("webauthn", 8)];
  await pair(world, weak);
  await pair(world, strong);
  const change = await proposed(place);
  await assert.rejects(side.save(byBrowser(weak, change)), code("E_DEVICE_LIMITED"));
  await assert.rejects(side.save(signed(change, stranger)), code("E_DEVICE_SIGNATURE"));
  const otherPurpose = signed(change, terminal, domains.decision);
  await assert.rejects(side.save(otherPurpose), code("E_DEVICE_SIGNATURE"));
  const otherCard = schema.encode(policyStatement, {
    version: 1,
    before: change.before,
    after: change.after,
    cardHash: new Uint8Array(32),
  });
  await assert.rejects(
    side.save(signed({ statement: otherCard })),
    code("E_POLICY_CHANGE_UNKNOWN"),
  );
  assert.equal(await textIn(world.files), before);
  await side.save(byBrowser(strong, change));
  assert.equal(await textIn(world.files), wider);
  // The counter that this assertion gave is known: it cannot be given again.
  assert.equal(world.core.deviceBook.get(strong.id)?.signCount, 1);
});

test("a change waits for half an hour, can be withdrawn, and is one of few", async () => {
  const place = await fresh();
  const { world, side } = place;
  const change = await proposed(place);
  assert.equal((await proposed(place)).id, change.id);
  await world.clock.advance(1_800_001);
  await assert.rejects(side.save(signed(change)), code("E_POLICY_CHANGE_UNKNOWN"));
  const again = await proposed(place);
  assert.equal(side.withdraw(again.id), true);
  assert.equal(side.withdraw(again.id), false);
  await assert.rejects(side.save(signed(again)), code("E_POLICY_CHANGE_UNKNOWN"));
  for (let n = 0; n < 12; n++) await proposed(place, `${wider}# ${n}\n`);
  assert.equal(side.changes().length, 8);
});

test("a crash leaves the text that the log says", async () => {
  // Before the leaf: the text before stays.
  const one = await fresh();
  await one.texts.prepare(before, wider, []);
  const first = await opened(one.world.files.kill());
  assert.equal(await textIn(first.world.files), before);
  assert.equal((await first.side.now()).origin, "first");
  // Behind the leaf: the new text holds.
  const two = await fresh();
  const change = await proposed(two);
  await two.texts.prepare(before, wider, []);
  const { statement, signature, device } = signed(change);
  await two.world.core.commit({
    type: "policy-change",
    atMs: 1,
    before: change.before,
    after: change.after,
    policyHash: new Uint8Array(32),
    device,
    statement,
    signature,
  });
  const second = await opened(two.world.files.kill());
  assert.equal(await textIn(second.world.files), wider);
  assert.equal((await second.side.now()).origin, "saved");
  // A change that is whole is not done again over what a person wrote since.
  await second.world.files.replaceFile("policy.toml", utf8Encode(before));
  const third = await opened(second.world.files.kill());
  assert.equal(await textIn(third.world.files), before);
  assert.equal((await third.side.now()).origin, "edited");
});

test("earlier texts are kept up to their bound, those of the log longest", async () => {
  const place = await fresh();
  let last = before;
  for (let n = 0; n < 70; n++) {
    const next = `${before}# ${n}\n`;
    await place.texts.prepare(last, next, []);
    await place.texts.putInForce(next);
    last = next;
  }
  assert.ok((await place.texts.kept()).length <= 65);
});

interface Shown {
  readonly [name: string]: unknown;
}

test("a recorded action is explained by the text in force and by a draft", async () => {
  const place = await fresh();
  const { world, side } = place;
  const { id, driver } = await world.session();
  const reply = await world.propose(driver, writeOf(inWork("b.txt")));
  const now = (await side.explain("", { receipt: reply.receipt.index })) as Shown;
  assert.deepEqual(now["before"], { verdict: "ask", rules: [], answered: false });
  assert.equal((now["now"] as Shown)["verdict"], "ask");
  const draft = (await side.explain(wider, { session: id, action: 1 })) as Shown;
  assert.equal((draft["now"] as Shown)["verdict"], "allow");
  assert.equal(draft["receipt"], reply.receipt.index);
  // A session that is over is judged as it was: its words come from the log.
  await world.core.closeSession(id, "done");
  assert.deepEqual(await side.explain(wider, { session: id, action: 1 }), draft);
  await assert.rejects(side.explain("", { receipt: 0 }), code("E_POLICY_QUESTION"));
  await assert.rejects(side.explain("", { receipt: 4000 }), code("E_POLICY_QUESTION"));
});

test("rules are learned from what sessions did, and shadows are counted over it", async () => {
  const place = await fresh();
  const { world, side } = place;
  const { id, driver } = await world.session();
  await world.propose(driver, readOf(inWork("a.txt")));
  await world.propose(driver, readOf(inWork("secret/a.txt")));
  const learned = (await side.learn("", [id])) as Shown;
  assert.deepEqual([learned["steps"], learned["already"], learned["rules"]], [1, 1, 0]);
  const shadowed = `${before}
[[rule]]
id = "later"
effect = "deny"
shadow = true
target = ["fs::read"]
where.path = { glob = "scope:/**" }
`;
  const counted = (await side.shadow(shadowed)) as {
    readonly actions: number;
    readonly rules: readonly Shown[];
    readonly changed: Shown;
  };
  assert.equal(counted.actions, 2);
  const [rule] = counted.rules;
  assert.deepEqual([rule?.["id"], rule?.["fired"], rule?.["stopped"]], ["later", 2, 1]);
  assert.deepEqual(counted.changed, { stricter: 0, looser: 0, examples: [] });
  const enforced = (await side.shadow(shadowed.replace("shadow = true\n", ""))) as {
    readonly changed: Shown;
  };
  assert.equal(enforced.changed["stricter"], 1);
  await assert.rejects(side.learn("", []), code("E_POLICY_QUESTION"));
});

test("texts are checked, tried, tested and compared without being kept", async () => {
  const { side } = await fresh();
  const checked = (await side.check(before.replace("[[rule]]", "efect = 1\n[[rule]]"))) as {
    readonly ok: boolean;
    readonly errors: readonly { readonly at: { readonly line: number } }[];
  };
  assert.equal(checked.ok, false);
  assert.equal(checked.errors[0]?.at.line, 4);
  const tried = (await side.tryAction("", {
    target: "fs::read",
    arguments: '{"path":"scope:/secret/a"}',
    words: "",
    headless: false,
  })) as Shown;
  assert.equal(tried["verdict"], "deny");
  const tests = `version = 1
[[test]]
target = "fs::read"
args = { path = "scope:/a.txt" }
verdict = "allow"
[[test]]
target = "fs::write"
args = { path = "scope:/a.txt", content = "x" }
verdict = "allow"
`;
  const tested = (await side.test("", tests)) as Shown;
  assert.deepEqual([tested["total"], tested["passed"], tested["ok"]], [2, 1, false]);
  const diff = (await side.diff("", wider)) as { readonly widened: readonly Shown[] };
  assert.deepEqual(
    diff.widened.map(({ target }) => target),
    ["fs::write"],
  );
  await assert.rejects(
    side.tryAction("", { target: "fs::fly", arguments: "{}", words: "", headless: false }),
    code("E_POLICY_QUESTION"),
  );
  await assert.rejects(
    side.tryAction("", { target: "fs::read", arguments: "{", words: "", headless: false }),
    code("E_POLICY_QUESTION"),
  );
});

test("a card shows characters that hide by their number", async () => {
  const place = await fresh();
  const sly = before.replace('id = "read"', 'id = "read"\nreason = "ok\u202Eevil"');
  const { card } = await proposed(place, sly);
  assert.match(card, /U\+202E/);
  assert.doesNotMatch(card, /\u202E/u);
});
