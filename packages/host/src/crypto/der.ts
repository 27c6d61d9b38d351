/**
 * The few forms of DER (X.690) that a certificate needs. Writing only; reading is the platform's.
 */
import { concatBytes, utf8Encode } from "@ioi/base";

const element = (tag: number, content: Uint8Array): Uint8Array => {
  const { length } = content;
  if (length < 0x80) return concatBytes(Uint8Array.of(tag, length), content);
  if (length < 0x100) return concatBytes(Uint8Array.of(tag, 0x81, length), content);
  return concatBytes(Uint8Array.of(tag, 0x82, length >> 8, length & 0xff), content);
};

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array =>
  element(0x30, concatBytes(...parts));
export const set = (...parts: readonly Uint8Array[]): Uint8Array =>
  element(0x31, concatBytes(...parts));
/** Constructed, context-specific. */
export const explicit = (tag: number, content: Uint8Array): Uint8Array =>
  element(0xa0 | tag, content);
/** Primitive, context-specific. */
export const implicit = (tag: number, content: Uint8Array): Uint8Array =>
  element(0x80 | tag, content);

export const boolean = (value: boolean): Uint8Array =>
  element(0x01, Uint8Array.of(value ? 0xff : 0));

/** A positive integer from big-endian bytes. */
export const integer = (bytes: Uint8Array): Uint8Array => {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const least = bytes.subarray(from);
  return element(
    0x02,
    ((least[0] ?? 0) & 0x80) === 0 ? least : concatBytes(Uint8Array.of(0), least),
  );
};

export const octets = (content: Uint8Array): Uint8Array => element(0x04, content);

/** A bit string whose last `unused` bits do not count. */
export const bits = (content: Uint8Array, unused = 0): Uint8Array =>
  element(0x03, concatBytes(Uint8Array.of(unused), content));

/** Dotted notation. */
export const objectId = (dotted: string): Uint8Array => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes: number[] = [];
  for (const arc of [40 * first + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let high = arc >>> 7; high > 0; high >>>= 7) groups.unshift(0x80 | (high & 0x7f));
    bytes.push(...groups);
  }
  return element(0x06, Uint8Array.from(bytes));
};

export const utf8Text = (text: string): Uint8Array => element(0x0c, utf8Encode(text));

/** Years 1950 to 2049 are UTCTime, later ones GeneralizedTime: RFC 5280, section 4.1.2.5. */
export const time = (ms: number): Uint8Array => {
  const text = new Date(ms).toISOString().replaceAll(/[-:T]/g, "").replace(/\..*/, "Z");
  return text < "2050" ? element(0x17, utf8Encode(text.slice(2))) : element(0x18, utf8Encode(text));
};

export const pem = (label: string, der: Uint8Array): string => {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
};
