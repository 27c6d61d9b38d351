/** Byte strings: hex, comparison, concatenation. Pure, no Buffer. */
import { assert } from "./result.ts";

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export const toHex = (bytes: Uint8Array): string => {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
};

/** The bytes of lower-case hex; undefined for anything else. */
export const fromHex = (text: string): Uint8Array | undefined => {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
};

/** Bytewise, shorter first on a common prefix. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a === b || (a.length === b.length && compareBytes(a, b) === 0);

export const concatBytes = (...parts: readonly Uint8Array[]): Uint8Array => {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** Big-endian, `width` bytes. */
export const uintBE = (value: number | bigint, width: number): Uint8Array => {
  let rest = BigInt(value);
  assert(rest >= 0n && rest < 1n << BigInt(8 * width), `uintBE(${value}, ${width})`);
  const bytes = new Uint8Array(width);
  for (let i = width - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
};

/** Little-endian, `width` bytes. */
export const uintLE = (value: number | bigint, width: number): Uint8Array =>
  uintBE(value, width).reverse();
