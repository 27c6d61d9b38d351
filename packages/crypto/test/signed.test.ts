import assert from "node:assert/strict";
import { test } from "node:test";
import { err, ok, type Result, utf8Encode } from "@ioi/base";
import {
  actionId,
  type Domain,
  domainBytes,
  domains,
  openBootKey,
  signPayload,
  verifyPayload,
  verifyThroughBootKey,
} from "@ioi/crypto";
import { seededProvider } from "./seeded-provider.ts";

const provider = seededProvider("signed");
const payload = utf8Encode("payload");

test("domains are distinct, versioned and without NUL", () => {
  const all = Object.values(domains);
  assert.equal(new Set(all).size, all.length);
  for (const domain of all) assert.match(domain, /^ioi\/[a-z-]+\/[a-z-]+\/v[1-9]$/);
  assert.deepEqual(domainBytes("ioi/a/v1", Uint8Array.of(7)), utf8Encode("ioi/a/v1\0\u0007"));
  assert.throws(() => domainBytes("ioi/a\0/v1" as Domain, payload), { name: "InvariantError" });
});

test("an action's id is the hash under its domain, not the bare hash", () => {
  const expected = provider.sha256(utf8Encode("ioi/firewall/action/v1\0payload"));
  assert.deepEqual(actionId(provider, payload), expected);
  assert.notDeepEqual(actionId(provider, payload), provider.sha256(payload));
});

for (const algorithm of ["ed25519", "ml-dsa-44", "ml-dsa-65"] as const) {
  test(`${algorithm}: a payload verifies under its own domain, key and bytes alone`, () => {
    const key = provider.generate(algorithm);
    const other = provider.generate(algorithm);
    const signed = signPayload(provider, key, domains.ticket, payload);
    const verify = (publicKey: Uint8Array, domain: Domain, given = signed): boolean =>
      verifyPayload(provider, algorithm, publicKey, domain, given).ok;
    assert.equal(verify(key.publicKey, domains.ticket), true);
    assert.equal(verify(key.publicKey, domains.profile), false);
    assert.equal(verify(other.publicKey, domains.ticket), false);
    const changed = { ...signed, payload: utf8Encode("payloae") };
    assert.equal(verify(key.publicKey, domains.ticket, changed), false);
    const shortened = { ...signed, signature: signed.signature.subarray(1) };
    assert.equal(verify(key.publicKey, domains.ticket, shortened), false);
  });
}

test("control: without domains one signature would pass for both purposes", () => {
  const key = provider.generate("ed25519");
  const bare = provider.sign(key, payload);
  assert.equal(provider.verify("ed25519", key.publicKey, payload, bare), true);
  const signed = { payload, signature: bare };
  for (const domain of [domains.ticket, domains.profile]) {
    assert.equal(verifyPayload(provider, "ed25519", key.publicKey, domain, signed).ok, false);
  }
});

test("identity, boot key, ticket: both links are checked", () => {
  const identity = provider.generate("ml-dsa-65");
  const bootKey = provider.generate("ed25519");
  const certificate = signPayload(provider, identity, domains.bootKey, bootKey.publicKey);
  const ticket = signPayload(provider, bootKey, domains.ticket, payload);
  const decode = (bytes: Uint8Array): Result<{ publicKey: Uint8Array }, { code: "E_X" }> =>
    bytes.length === 32 ? ok({ publicKey: bytes }) : err({ code: "E_X" });
  const verify = (
    root = identity.publicKey,
    link = certificate,
    leaf = ticket,
    domain: Domain = domains.ticket,
  ): Result<Uint8Array, { readonly code: string }> =>
    verifyThroughBootKey(provider, root, link, decode, domain, leaf);

  assert.deepEqual(verify(), { ok: true, value: payload });
  assert.deepEqual(openBootKey(provider, identity.publicKey, certificate, decode), {
    ok: true,
    value: { publicKey: bootKey.publicKey },
  });
  const codeOf = (result: Result<unknown, { readonly code: string }>): string | undefined =>
    result.ok ? undefined : result.error.code;
  const stranger = provider.generate("ml-dsa-65");
  assert.equal(codeOf(verify(stranger.publicKey)), "E_SIGNATURE_INVALID");
  const forged = signPayload(provider, stranger, domains.bootKey, bootKey.publicKey);
  assert.equal(codeOf(verify(identity.publicKey, forged)), "E_SIGNATURE_INVALID");
  const foreignTicket = signPayload(
    provider,
    provider.generate("ed25519"),
    domains.ticket,
    payload,
  );
  assert.equal(
    codeOf(verify(identity.publicKey, certificate, foreignTicket)),
    "E_SIGNATURE_INVALID",
  );
  assert.equal(
    codeOf(verify(identity.publicKey, certificate, ticket, domains.profile)),
    "E_SIGNATURE_INVALID",
  );
  const odd = signPayload(provider, identity, domains.bootKey, payload);
  assert.equal(codeOf(verify(identity.publicKey, odd)), "E_X");
});
