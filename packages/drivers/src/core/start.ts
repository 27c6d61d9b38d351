/**
 * The start-up line of a driver process. Nothing in it is believed without its chain: the
 * Guardian's identity signs the boot key's certificate, the boot key signs the profile.
 */
import path from "node:path";
import { fromHex, OperationError, utf8Decode } from "@ioi/base";
import {
  type CryptoProvider,
  domainHash,
  domains,
  openBootKey,
  type SigningKey,
  verifyPayload,
} from "@ioi/crypto";
import { bootKey, type Profile, profile, schema, signed } from "@ioi/wire";
import { startLineBytesMax } from "../limits.ts";

export interface StartInput {
  readonly instanceId: Uint8Array;
  readonly instanceKey: SigningKey;
  readonly bootKey: Uint8Array;
  /** Of the Guardian, for life: raw ML-DSA-65. */
  readonly guardian: Uint8Array;
  readonly profile: Profile;
  readonly profileHash: Uint8Array;
  /** Absolute path of the session's vault. */
  readonly vault: string;
  /** Of kind `memory`: absolute path of the folder that holds the memory file. */
  readonly memory?: string;
}

const refuse = (why: string): OperationError =>
  new OperationError("E_DRIVER_START", `the driver does not start: ${why}`);

const fieldNames = [
  "instanceId",
  "instanceSeed",
  "guardianIdentity",
  "bootCertificate",
  "profile",
  "vault",
] as const;
type Fields = Readonly<Record<(typeof fieldNames)[number], string>> & { readonly memory?: unknown };

const parseLine = (line: Uint8Array): Fields => {
  if (line.length > startLineBytesMax) throw refuse("the start-up line is too long");
  const text = utf8Decode(line);
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    throw refuse("the start-up line is not JSON");
  }
  const fields = value as Readonly<Record<string, unknown>> | null;
  if (typeof fields !== "object" || fields === null) throw refuse("the start-up line is no object");
  for (const name of fieldNames) {
    if (typeof fields[name] !== "string") throw refuse(`${name} is missing`);
  }
  return fields as Fields;
};

const hex = (fields: Fields, name: (typeof fieldNames)[number]): Uint8Array => {
  const bytes = fromHex(fields[name]);
  if (bytes === undefined) throw refuse(`${name} is not hex`);
  return bytes;
};

const signedOf = (
  bytes: Uint8Array,
  name: string,
): { payload: Uint8Array; signature: Uint8Array } => {
  const decoded = schema.decode(signed, bytes);
  if (!decoded.ok) throw refuse(`${name}: ${decoded.error.message}`);
  return decoded.value;
};

/** Reads and verifies; throws `E_DRIVER_START` for anything that does not hold. */
export const readStart = (provider: CryptoProvider, line: Uint8Array): StartInput => {
  const fields = parseLine(line);
  const instanceId = hex(fields, "instanceId");
  if (instanceId.length !== 16) throw refuse("instanceId is not 16 bytes");
  const instanceKey = provider.importPrivate("ed25519", hex(fields, "instanceSeed"));
  if (!instanceKey.ok) throw refuse(instanceKey.error.message);
  const identity = hex(fields, "guardianIdentity");
  const certificate = signedOf(hex(fields, "bootCertificate"), "bootCertificate");
  const boot = openBootKey(provider, identity, certificate, (payload) =>
    schema.decode(bootKey, payload),
  );
  if (!boot.ok) throw refuse(`bootCertificate: ${boot.error.message}`);
  const { publicKey } = boot.value;
  const envelope = signedOf(hex(fields, "profile"), "profile");
  const payload = verifyPayload(provider, "ed25519", publicKey, domains.profile, envelope);
  if (!payload.ok) throw refuse(`profile: ${payload.error.message}`);
  const decoded = schema.decode(profile, payload.value);
  if (!decoded.ok) throw refuse(`profile: ${decoded.error.message}`);
  if (!path.isAbsolute(fields.vault)) throw refuse("vault is not an absolute path");
  const { memory } = fields;
  if (memory !== undefined && (typeof memory !== "string" || !path.isAbsolute(memory))) {
    throw refuse("memory is not an absolute path");
  }
  return {
    instanceId,
    instanceKey: instanceKey.value,
    bootKey: publicKey,
    guardian: identity,
    profile: decoded.value,
    profileHash: domainHash(provider, domains.profile, payload.value),
    vault: fields.vault,
    ...(memory === undefined ? {} : { memory }),
  };
};
