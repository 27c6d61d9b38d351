/**
 * Devices: what pairs one, what its signature counts for, and everything that must not count. The
 * browsers' and authenticators' signatures are made by another implementation than the one that
 * checks them.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { p256 } from "@noble/curves/nist.js";
import { concatBytes, toHex, utf8Encode } from "@ioi/base";
import { domainBytes, domains, type PrivateKey, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  type DecisionStatement,
  decisionStatement,
  pairStatement,
  type PairStatement,
  schema,
  webauthnAssertion,
} from "@ioi/wire";
import {
  type Answer,
  type ApprovalCard,
  deviceIdOf,
  type DeviceOffer,
  DeviceSide,
  type DeviceSigned,
} from "../src/index.ts";
import {
  codeOf,
  device as terminal,
  inWork,
  statementOf,
  stranger,
  World,
  writeOf,
} from "./support.ts";

const origin = "http://approve.localhost:9001";
const none = new Uint8Array(0);

const sha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update(bytes).digest());

interface Browser {
  readonly kind: "webcrypto" | "webauthn";
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly credentialId: Uint8Array;
  readonly id: Uint8Array;
}

const browser = (kind: Browser["kind"], seed = 7): Browser => {
  const secret = new Uint8Array(32).fill(seed);
  const publicKey = p256.getPublicKey(secret, false);
  const credentialId = kind === "webauthn" ? new Uint8Array(16).fill(seed) : none;
  return { kind, secret, publicKey, credentialId, id: deviceIdOf(nodeCrypto, kind, publicKey) };
};

const rawSignature = ({ secret }: Browser, bytes: Uint8Array): Uint8Array =>
  p256.sign(bytes, secret, { format: "compact", prehash: true });

/** What an authenticator and its browser may get wrong, or be made to. */
interface Ceremony {
  readonly type?: string;
  readonly origin?: string;
  readonly topOrigin?: string;
  readonly challenge?: Uint8Array;
  readonly rpId?: string;
  readonly flags?: number;
  readonly count?: number;
  readonly dataBytes?: number;
}

const assertion = (who: Browser, signedBytes: Uint8Array, made: Ceremony = {}): Uint8Array => {
  const clientDataJson = utf8Encode(
    JSON.stringify({
      type: made.type ?? "webauthn.get",
      challenge: Buffer.from(made.challenge ?? sha256(signedBytes)).toString("base64url"),
      origin: made.origin ?? origin,
      crossOrigin: made.topOrigin !== undefined,
      ...(made.topOrigin === undefined ? {} : { topOrigin: made.topOrigin }),
    }),
  );
  const count = Buffer.alloc(4);
  count.writeUInt32BE(made.count ?? 0);
  const authenticatorData = concatBytes(
    sha256(utf8Encode(made.rpId ?? "approve.localhost")),
    Uint8Array.of(made.flags ?? 5),
    count,
  ).subarray(0, made.dataBytes ?? 37);
  const over = concatBytes(authenticatorData, sha256(clientDataJson));
  const signature = p256.sign(over, who.secret, { format: "der", prehash: true });
  return schema.encode(webauthnAssertion, { authenticatorData, clientDataJson, signature });
};

const signedPair = (
  statement: PairStatement,
  key: PrivateKey<"ed25519"> = terminal,
): DeviceSigned => {
  const encoded = schema.encode(pairStatement, statement);
  const { payload, signature } = signPayload(nodeCrypto, key, domains.pair, encoded);
  return { statement: payload, signature, device: key.publicKey };
};

const offerOf = ({ kind, publicKey, credentialId }: Browser) => ({
  kind,
  name: "Chrome 156",
  publicKey,
  credentialId,
  origin,
});

const paired = async (
  who: Browser,
  world?: World,
): Promise<{ readonly world: World; readonly side: DeviceSide }> => {
  const opened = world ?? (await World.open());
  const side = new DeviceSide(opened.core);
  const { code } = side.offer(offerOf(who));
  await side.pair(signedPair({ type: "pair", version: 1, device: who.id, code }));
  return { world: opened, side };
};

/** The code with which an offer is refused; "" where it is taken. */
const offered = (side: DeviceSide, offer: DeviceOffer): Promise<string> =>
  codeOf((async () => side.offer(offer))());

const write = writeOf(inWork("a.txt"));

const askIn = async (world: World): Promise<ApprovalCard> => {
  const { driver } = await world.session();
  const reply = await world.propose(driver, write);
  return world.card(reply.approval ?? "");
};

const answerBy = (
  who: Browser,
  card: ApprovalCard,
  ceremony: Ceremony = {},
  changes: Partial<DecisionStatement> = {},
): Answer => {
  const statement = schema.encode(decisionStatement, statementOf(card, changes));
  const signedBytes = domainBytes(domains.decision, statement);
  const signature =
    who.kind === "webauthn"
      ? assertion(who, signedBytes, ceremony)
      : rawSignature(who, signedBytes);
  return { statement, signature, device: who.id };
};

for (const kind of ["webcrypto", "webauthn"] as const) {
  test(`${kind}: paired by its code it answers, also after a restart, and revoked no more`, async () => {
    const who = browser(kind);
    const { world, side } = await paired(who);
    const kinds = side.list().map((each) => [each.kind, each.waits]);
    assert.deepEqual(kinds, [
      ["terminal", false],
      [kind, false],
    ]);
    const first = await askIn(world);
    await world.person.decide(answerBy(who, first, { count: 1 }));

    const next = await world.restart();
    const nextSide = new DeviceSide(next.core);
    const again = await askIn(next);
    await next.person.decide(answerBy(who, again, { count: 2 }));

    const pairedMs = next.core.deviceBook.get(who.id)?.pairedMs ?? 0;
    const revocation = signedPair({ type: "revoke", version: 1, device: who.id, pairedMs });
    await nextSide.revoke(revocation);
    const last = await askIn(next);
    const refused = next.person.decide(answerBy(who, last, { count: 3 }));
    assert.equal(await codeOf(refused), "E_APPROVAL_INVALID");

    const third = await next.restart();
    assert.deepEqual(third.core.deviceBook.paired, []);
    // The same key paired again is another pairing: the old revocation does not mean it.
    await third.clock.advance(1000);
    const { side: thirdSide } = await paired(who, third);
    assert.equal(await codeOf(thirdSide.revoke(revocation)), "E_DEVICE_UNKNOWN");
  });
}

test("a key that nobody paired does not answer", async () => {
  const world = await World.open();
  const card = await askIn(world);
  for (const kind of ["webcrypto", "webauthn"] as const) {
    const refused = world.person.decide(answerBy(browser(kind), card));
    assert.equal(await codeOf(refused), "E_APPROVAL_INVALID");
  }
  // Offered is not paired.
  new DeviceSide(world.core).offer(offerOf(browser("webcrypto")));
  const refused = world.person.decide(answerBy(browser("webcrypto"), card));
  assert.equal(await codeOf(refused), "E_APPROVAL_INVALID");
});

const ceremonies: readonly (readonly [string, Ceremony])[] = [
  ["of another ceremony", { type: "webauthn.create" }],
  ["made on another origin", { origin: "http://app.localhost:9001" }],
  ["made on another port", { origin: "http://approve.localhost:9002" }],
  ["made on a foreign page", { origin: "https://evil.example" }],
  ["made inside a foreign page", { topOrigin: "https://evil.example" }],
  ["with the challenge of another statement", { challenge: sha256(utf8Encode("other")) }],
  ["of a key made for another host", { rpId: "localhost" }],
  ["without a touch", { flags: 4 }],
  ["with data cut short", { dataBytes: 36 }],
];

for (const [name, ceremony] of ceremonies) {
  test(`an assertion ${name} is refused, and the true one counts`, async () => {
    const who = browser("webauthn");
    const { world } = await paired(who);
    const card = await askIn(world);
    const refused = world.person.decide(answerBy(who, card, ceremony));
    assert.equal(await codeOf(refused), "E_APPROVAL_INVALID");
    await world.person.decide(answerBy(who, card, { topOrigin: "http://app.localhost:9001" }));
  });
}

test("an authenticator's counter must rise once it counts", async () => {
  const who = browser("webauthn");
  const { world } = await paired(who);
  await world.person.decide(answerBy(who, await askIn(world), { count: 5 }));
  for (const count of [5, 4, 0]) {
    const refused = world.person.decide(answerBy(who, await askIn(world), { count }));
    assert.equal(await codeOf(refused), "E_APPROVAL_INVALID", String(count));
  }
  const next = await world.restart();
  const refused = next.person.decide(answerBy(who, await askIn(next), { count: 5 }));
  assert.equal(await codeOf(refused), "E_APPROVAL_INVALID");
  await next.person.decide(answerBy(who, await askIn(next), { count: 6 }));
});

test("one kind of signature does not pass for the other", async () => {
  const auth = browser("webauthn");
  const { world } = await paired(auth);
  const card = await askIn(world);
  const raw = answerBy({ ...auth, kind: "webcrypto" }, card);
  assert.equal(await codeOf(world.person.decide(raw)), "E_APPROVAL_INVALID");
  const plain = browser("webcrypto", 8);
  await paired(plain, world);
  const asserted = answerBy({ ...plain, kind: "webauthn" }, card);
  assert.equal(await codeOf(world.person.decide(asserted)), "E_APPROVAL_INVALID");
});

test("a swapped statement, a flipped bit and a replayed answer are refused", async () => {
  const who = browser("webcrypto");
  const { world } = await paired(who);
  const card = await askIn(world);
  const deny = answerBy(who, card, {}, { decision: "deny" });
  const approve = answerBy(who, card);
  const swapped = { ...approve, signature: deny.signature };
  assert.equal(await codeOf(world.person.decide(swapped)), "E_APPROVAL_INVALID");
  for (let at = 0; at < approve.signature.length; at += 7) {
    const signature = approve.signature.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const refused = world.person.decide({ ...approve, signature });
    assert.equal(await codeOf(refused), "E_APPROVAL_INVALID");
  }
  await world.person.decide(approve);
  assert.equal(await codeOf(world.person.decide(approve)), "E_APPROVAL_UNKNOWN");
});

test("a browser's key changes no devices; an authenticator's does", async () => {
  const plain = browser("webcrypto");
  const { world, side } = await paired(plain);
  const auth = browser("webauthn", 8);
  await paired(auth, world);
  const third = browser("webcrypto", 9);
  const { code } = side.offer(offerOf(third));
  const statement = schema.encode(pairStatement, {
    type: "pair",
    version: 1,
    device: third.id,
    code,
  });
  const signedBytes = domainBytes(domains.pair, statement);
  const byPlain = { statement, signature: rawSignature(plain, signedBytes), device: plain.id };
  assert.equal(await codeOf(side.pair(byPlain)), "E_DEVICE_SIGNATURE");
  const byAuth = { statement, signature: assertion(auth, signedBytes), device: auth.id };
  await side.pair(byAuth);
  assert.equal(side.list().length, 4);
});

test("a code pairs once, for five minutes, and ten wrong ones end the offer", async () => {
  const world = await World.open();
  const side = new DeviceSide(world.core);
  const who = browser("webcrypto");
  const pair = (code: string, device = who.id) =>
    side.pair(signedPair({ type: "pair", version: 1, device, code }));

  const { code } = side.offer(offerOf(who));
  assert.match(code, /^\d{6}$/);
  const wrong = code === "000000" ? "000001" : "000000";
  for (let tries = 0; tries < 9; tries++) {
    assert.equal(await codeOf(pair(wrong)), "E_DEVICE_CODE");
  }
  assert.equal(side.list().length, 2, "it still waits");
  assert.equal(await codeOf(pair(wrong)), "E_DEVICE_CODE");
  assert.equal(await codeOf(pair(code)), "E_DEVICE_CODE", "even the right one, after ten");
  assert.equal(side.list().length, 1);

  const { code: late } = side.offer(offerOf(who));
  await world.clock.advance(300_000);
  assert.equal(await codeOf(pair(late)), "E_DEVICE_CODE");

  const other = browser("webcrypto", 8);
  const { code: displaced } = side.offer(offerOf(who));
  const { code: newer } = side.offer(offerOf(other));
  assert.equal(await codeOf(pair(displaced)), "E_DEVICE_CODE", "a newer offer displaced it");
  assert.equal(await codeOf(pair(newer)), "E_DEVICE_CODE", "the newer code, the older device");
  await pair(newer, other.id);
  assert.equal(await codeOf(pair(newer, other.id)), "E_DEVICE_CODE", "once");
  assert.equal(await offered(side, offerOf(other)), "E_DEVICE_INVALID");
});

test("who does not count pairs nothing, and other statements pair nothing", async () => {
  const world = await World.open();
  const side = new DeviceSide(world.core);
  const who = browser("webcrypto");
  const { code } = side.offer(offerOf(who));
  const statement: PairStatement = { type: "pair", version: 1, device: who.id, code };
  assert.equal(await codeOf(side.pair(signedPair(statement, stranger))), "E_DEVICE_SIGNATURE");
  const good = signedPair(statement);
  const otherDomain = signPayload(nodeCrypto, terminal, domains.decision, good.statement);
  const foreign = { ...good, signature: otherDomain.signature };
  assert.equal(await codeOf(side.pair(foreign)), "E_DEVICE_SIGNATURE");
  assert.equal(await codeOf(side.revoke(good)), "E_DEVICE_SIGNATURE");
  await side.pair(good);
});

test("a malformed offer is refused", async () => {
  const world = await World.open();
  const side = new DeviceSide(world.core);
  const good = offerOf(browser("webcrypto"));
  const offCurve = good.publicKey.map((byte, i) => (i === 64 ? byte ^ 1 : byte));
  const offers: readonly (readonly [string, Partial<DeviceOffer>])[] = [
    ["kind", { kind: "terminal" }],
    ["origin", { origin: "http://app.localhost:9001" }],
    ["no origin", { origin: "" }],
    ["off the curve", { publicKey: offCurve }],
    ["compressed", { publicKey: p256.getPublicKey(new Uint8Array(32).fill(7), true) }],
    ["infinity", { publicKey: Uint8Array.of(0) }],
    ["zero", { publicKey: concatBytes(Uint8Array.of(4), new Uint8Array(64)) }],
    ["credential of a browser", { credentialId: Uint8Array.of(1) }],
    ["none of an authenticator", { kind: "webauthn" }],
    ["a long one", { kind: "webauthn", credentialId: new Uint8Array(1025) }],
  ];
  for (const [name, changes] of offers) {
    assert.equal(await offered(side, { ...good, ...changes }), "E_DEVICE_INVALID", name);
  }
  const name = "a\u202Eb\u0000c\u001b[31m";
  side.offer({ ...good, name });
  assert.deepEqual(
    side.list().map((each) => each.name),
    ["this terminal", "abc31m"],
  );
});

test("no more devices than the bound, and the log tells who paired which", async () => {
  const world = await World.open();
  const side = new DeviceSide(world.core);
  for (let seed = 1; seed <= 16; seed++) await paired(browser("webcrypto", seed), world);
  assert.equal(await offered(side, offerOf(browser("webcrypto", 17))), "E_DEVICES_FULL");
  const leaves = await world.leaves();
  const [leaf] = leaves.filter(({ type }) => type === "device");
  assert.ok(leaf?.type === "device");
  assert.deepEqual(
    [leaf.change, leaf.kind, toHex(leaf.by), toHex(leaf.device)],
    ["pair", "webcrypto", toHex(terminal.publicKey), toHex(browser("webcrypto", 1).id)],
  );
});
