/** Bytes as the page needs them: base64 of the calls, domains and the little CBOR of an assertion. */

export type Bytes = Uint8Array<ArrayBuffer>;

export const fromBase64 = (text: string): Bytes =>
  Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

export const toBase64 = (bytes: Bytes): string => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

export const concat = (...parts: readonly Bytes[]): Bytes => {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

/** utf8(domain) || 0x00 || payload: what every hash and signature of the product is over. */
export const inDomain = (domain: string, payload: Bytes): Bytes =>
  concat(utf8(domain), Uint8Array.of(0), payload);

export const sha256 = async (bytes: Bytes): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

export const equal = (a: Bytes, b: Bytes): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);

/** Whether `part` stands somewhere in `whole`. */
export const contains = (whole: Bytes, part: Bytes): boolean => {
  for (let at = 0; at + part.length <= whole.length; at++) {
    if (equal(whole.subarray(at, at + part.length), part)) return true;
  }
  return false;
};

const head = (major: number, value: number): Bytes =>
  value < 24
    ? Uint8Array.of((major << 5) | value)
    : value < 256
      ? Uint8Array.of((major << 5) | 24, value)
      : Uint8Array.of((major << 5) | 25, value >> 8, value & 255);

const item = (name: string, bytes: Bytes): Bytes =>
  concat(head(3, name.length), utf8(name), head(2, bytes.length), bytes);

/** Canonical CBOR of an assertion: its keys in the order of their encodings. */
export const encodeAssertion = (assertion: {
  readonly authenticatorData: Bytes;
  readonly clientDataJson: Bytes;
  readonly signature: Bytes;
}): Bytes =>
  concat(
    head(5, 3),
    item("signature", assertion.signature),
    item("clientDataJson", assertion.clientDataJson),
    item("authenticatorData", assertion.authenticatorData),
  );
