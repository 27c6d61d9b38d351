/**
 * Amounts and accounts: decimal numbers in text, and CAIP-10 accounts.
 *
 * An amount has at most 39 digits before its point (2^128) and 30 after it, and is compared as an
 * integer of its thirtieth place: no float takes part. An account is `namespace:reference:address`;
 * on Ethereum's chains the address is hexadecimal in small letters, and one written in both cases
 * must carry the checksum of EIP-55.
 */
import { err, ok, type Result, toHex, utf8Encode } from "@ioi/base";
import type { CanonicalValue } from "@ioi/wire";
import { keccak_256 } from "@noble/hashes/sha3.js";

const places = 30;
const amountPattern = /^(?:0|[1-9][0-9]{0,38})(?:\.[0-9]{0,29}[1-9])?$/;

/** The amount in units of its thirtieth decimal place. */
export const scaledAmount = (text: string): bigint => {
  const [whole = "0", part = ""] = text.split(".");
  return BigInt(whole + part.padEnd(places, "0"));
};

/** The text of a scaled amount. */
export const amountText = (scaled: bigint): string => {
  const digits = scaled.toString().padStart(places + 1, "0");
  const part = digits.slice(-places).replace(/0+$/, "");
  return digits.slice(0, -places) + (part === "" ? "" : `.${part}`);
};

export const readAmount = (value: CanonicalValue): Result<bigint, string> =>
  typeof value === "string" && amountPattern.test(value)
    ? ok(scaledAmount(value))
    : err("it is not a canonical amount");

/** Leading zeros, and zeros at the end of the fraction, mean nothing. */
export const canonicalAmount = (given: unknown): Result<string, string> => {
  const text = typeof given === "number" && Number.isSafeInteger(given) ? String(given) : given;
  if (typeof text !== "string" || text.length > 128) return err("it is an amount as in 0.05");
  const parts = /^([0-9]+)(?:\.([0-9]+))?$/.exec(text);
  if (parts === null) return err("it is an amount as in 0.05, without sign or exponent");
  const whole = (parts[1] ?? "").replace(/^0+(?=[0-9])/, "");
  const part = (parts[2] ?? "").replace(/0+$/, "");
  const canonical = part === "" ? whole : `${whole}.${part}`;
  return amountPattern.test(canonical)
    ? ok(canonical)
    : err("an amount has at most 39 digits before its point and 30 after it");
};

/** EIP-55: which letters are capitals follows from the hash of the small ones. */
export const checksumAddress = (small: string): string => {
  const hash = toHex(keccak_256(utf8Encode(small)));
  return [...small]
    .map((letter, at) =>
      Number.parseInt(hash[at] ?? "0", 16) >= 8 ? letter.toUpperCase() : letter,
    )
    .join("");
};

const accountPattern = /^([-a-z0-9]{3,8}):([-_a-zA-Z0-9]{1,32}):([-.%a-zA-Z0-9]{1,128})$/;
const smallHex = /^0x[0-9a-f]{40}$/;

export const readAccount = (value: CanonicalValue): Result<string, string> => {
  const parts = typeof value === "string" ? accountPattern.exec(value) : null;
  if (parts === null) return err("it is not an account as in eip155:1:0x...");
  return parts[1] === "eip155" && !smallHex.test(parts[3] ?? "")
    ? err("its address is not hexadecimal in small letters")
    : ok(value as string);
};

export const canonicalAccount = (given: unknown): Result<string, string> => {
  const parts = typeof given === "string" ? accountPattern.exec(given) : null;
  if (parts === null) return err("it is an account as in eip155:1:0x...");
  const [, namespace = "", reference = "", address = ""] = parts;
  if (namespace !== "eip155") return readAccount(given as string);
  const small = address.toLowerCase();
  if (!smallHex.test(small)) return err("its address is not 0x and 40 hexadecimal digits");
  const digits = address.slice(2);
  const mixed = /[a-f]/.test(digits) && /[A-F]/.test(digits);
  if (mixed && checksumAddress(small.slice(2)) !== digits) {
    return err("the checksum of its address is wrong: a letter is mistyped");
  }
  return ok(`${namespace}:${reference}:${small}`);
};
