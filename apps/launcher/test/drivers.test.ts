/**
 * Which drivers a launcher starts: only on a profile that this boot of the Guardian signed, only
 * with real folders. Nothing is started here: every case is refused, or ends at the Guardian's door.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import { domains, type PrivateKey, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { createLog } from "@ioi/host/ports";
import { bootKey, pb, type Profile, profile as profileSchema, schema, signed } from "@ioi/wire";
import type { Kernel } from "../src/boot.ts";
import { Drivers } from "../src/drivers.ts";
import { LogFiles } from "../src/log-files.ts";

const base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ioi-drivers-")));
after(() => fs.rmSync(base, { recursive: true }));
const work = path.join(base, "work");
fs.mkdirSync(work);
fs.writeFileSync(path.join(base, "file"), "");
fs.symlinkSync(work, path.join(base, "link"));

const identity = nodeCrypto.generate("ml-dsa-65");
const boot = nodeCrypto.generate("ed25519");

const certificateOf = (key: PrivateKey<"ed25519">, by: PrivateKey<"ml-dsa-65">): Uint8Array => {
  const payload = schema.encode(bootKey, {
    version: 1,
    bootId: new Uint8Array(16),
    publicKey: key.publicKey,
    notBeforeMs: 1,
  });
  return schema.encode(signed, signPayload(nodeCrypto, by, domains.bootKey, payload));
};

const helloOf = (key = boot, by = identity): pb.HelloReply =>
  create(pb.HelloReplySchema, {
    name: "guardian",
    identity: identity.publicKey,
    bootCertificate: certificateOf(key, by),
  });

const profileOf = (changes: Partial<Profile> = {}): Profile => ({
  version: 1,
  kind: "files",
  session: "s-0123456789ab",
  vault: "s-0123456789ab",
  roots: [{ name: "scope", path: work, access: "write" }],
  masks: [],
  network: "none",
  limits: { wallMs: 1, outputBytes: 1, memoryBytes: 1, processes: 1, fileBytes: 1 },
  policyHash: new Uint8Array(32),
  ...changes,
});

const signedBy = (
  profile: Profile,
  key: PrivateKey<"ed25519"> = boot,
  domain: (typeof domains)["profile" | "ticket"] = domains.profile,
): Uint8Array =>
  schema.encode(
    signed,
    signPayload(nodeCrypto, key, domain, schema.encode(profileSchema, profile)),
  );

/** The door: a driver whose profile is good is registered with the Guardian first. */
const kernel = {
  guardian: {
    registerInstance: () => Promise.reject(new OperationError("E_TEST_DOOR", "reached")),
  },
} as unknown as Kernel;

const spawnCode = async (profile: Uint8Array, hello?: pb.HelloReply): Promise<string> => {
  const drivers = new Drivers(
    base,
    new LogFiles(base),
    createLog({ write: () => undefined }),
    0o22,
  );
  if (hello !== undefined) drivers.trust(hello);
  try {
    await drivers.spawn(kernel, profile);
    return "";
  } catch (error) {
    assert.equal(drivers.running.length, 0);
    return (error as OperationError).code;
  }
};

test("the control: a signed profile with a real folder goes through to the Guardian", async () => {
  assert.equal(await spawnCode(signedBy(profileOf()), helloOf()), "E_TEST_DOOR");
});

test("a profile that this boot's key did not sign starts nothing", async () => {
  const other = nodeCrypto.generate("ed25519");
  const good = signedBy(profileOf());
  for (const [what, profile, hello] of [
    ["before the Guardian said who it is", good, undefined],
    ["by another key", signedBy(profileOf(), other), helloOf()],
    ["under another domain", signedBy(profileOf(), boot, domains.ticket), helloOf()],
    ["of another boot", good, helloOf(other)],
    [
      "under a certificate of another identity",
      good,
      helloOf(boot, nodeCrypto.generate("ml-dsa-65")),
    ],
    ["with a changed byte", good.with(80, (good[80] ?? 0) ^ 1), helloOf()],
    ["cut short", good.subarray(0, 50), helloOf()],
    ["empty", new Uint8Array(0), helloOf()],
  ] as const) {
    assert.equal(await spawnCode(profile, hello), "E_DRIVER_REFUSED", what);
  }
});

test("a root that is no real folder, or is reached through a link, starts nothing", async () => {
  for (const folder of [
    path.join(base, "none"),
    path.join(base, "file"),
    path.join(base, "link"),
    `${base}/link/../work`,
  ]) {
    const roots: Profile["roots"] = [{ name: "scope", path: folder, access: "read" }];
    assert.equal(await spawnCode(signedBy(profileOf({ roots })), helloOf()), "E_DRIVER_REFUSED");
  }
});

test("a vault that is no session's name starts nothing, and makes no folder", async () => {
  for (const vault of ["..", "../guardian", "s-0123456789ab/..", "S-0123456789AB", "", "s-1"]) {
    const profile = signedBy(profileOf({ vault }));
    assert.equal(await spawnCode(profile, helloOf()), "E_DRIVER_REFUSED", vault);
  }
  assert.deepEqual(fs.readdirSync(path.join(base, "vault")), ["s-0123456789ab"]);
});
