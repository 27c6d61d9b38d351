/** A browser's key without a browser: made, offered, paired at the terminal, used, revoked. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import path from "node:path";
import fs from "node:fs";
import { fromHex, unwrap } from "@ioi/base";
import { type Domain, domainBytes, domains, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { client, dial } from "@ioi/host/rpc";
import { pairStatement, type PairStatement, pb, schema } from "@ioi/wire";
import type { PageClient } from "./page-client.ts";

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

export class BrowserKey {
  readonly #pem: string;
  /** The Guardian's name of it, once it was offered. */
  device: Uint8Array = new Uint8Array(0);

  constructor() {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#pem = privateKey.export({ format: "pem", type: "pkcs8" }) as string;
  }

  get publicKey(): Uint8Array {
    const { x = "", y = "" } = createPublicKey(createPrivateKey(this.#pem)).export({
      format: "jwk",
    });
    const parts = [Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")];
    return new Uint8Array(Buffer.concat(parts));
  }

  sign(domain: Domain, statement: Uint8Array): Uint8Array {
    const key = { key: createPrivateKey(this.#pem), dsaEncoding: "ieee-p1363" as const };
    return new Uint8Array(sign("sha256", domainBytes(domain, statement), key));
  }

  /** Offers it as the approval page does; returns the six digits. */
  async offer(page: PageClient, name = "a browser"): Promise<string> {
    const { status, json } = await page.cards("OfferDevice", {
      kind: "webcrypto",
      name,
      publicKey: base64(this.publicKey),
    });
    if (status !== 200) throw new Error(`not offered: ${JSON.stringify(json)}`);
    this.device = new Uint8Array(Buffer.from(String(json["device"]), "base64"));
    return String(json["code"]);
  }

  /** What `Cards.Decide` takes for an approval. */
  decision(statement: string, changes: Readonly<Record<string, unknown>> = {}) {
    const bytes = new Uint8Array(Buffer.from(statement, "base64"));
    const signature = base64(this.sign(domains.decision, bytes));
    return { kind: "approval", statement, signature, device: base64(this.device), ...changes };
  }
}

/** A statement, signed with the terminal's key as its commands do. */
export const atTerminal = (data: string, domain: Domain, encoded: Uint8Array) => {
  const text = fs.readFileSync(path.join(data, "device/terminal.key"), "utf8");
  const { seed } = JSON.parse(text) as { readonly seed: string };
  const imported = nodeCrypto.importPrivate("ed25519", fromHex(seed) ?? new Uint8Array(0));
  const key = unwrap(imported, "the terminal's key");
  const { payload, signature } = signPayload(nodeCrypto, key, domain, encoded);
  return { statement: payload, signature, device: key.publicKey };
};

const signedByTerminal = (data: string, statement: PairStatement) =>
  atTerminal(data, domains.pair, schema.encode(pairStatement, statement));

const options = { deadlineMs: 10_000 };

export const pairAtTerminal = async (
  data: string,
  device: Uint8Array,
  code: string,
): Promise<void> => {
  await using channel = await dial(path.join(data, "run/guardian.sock"));
  const signed = signedByTerminal(data, { type: "pair", version: 1, device, code });
  await client(pb.Devices, channel).pairDevice(signed, options);
};

export const revokeAtTerminal = async (data: string, device: Uint8Array): Promise<void> => {
  await using channel = await dial(path.join(data, "run/guardian.sock"));
  const devices = client(pb.Devices, channel);
  const listed = await devices.listDevices({}, options);
  const found = listed.devices.find(({ id }) => Buffer.compare(id, device) === 0);
  const pairedMs = Number(found?.pairedMs ?? 0n);
  const signed = signedByTerminal(data, { type: "revoke", version: 1, device, pairedMs });
  await devices.revokeDevice(signed, options);
};
