/**
 * IP addresses: every spelling that reaches here is canonical text or nothing, and every address has
 * a class. Sources: RFC 4291, RFC 5952, RFC 6890 and the registries of special-purpose addresses.
 *
 * Invariants: an IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4) has the class of
 * the address that it leads to; what no registry gives to hosts is `reserved`, which nothing allows.
 */
export type AddressClass = "public" | "private" | "loopback" | "link-local";

export const addressClasses: readonly AddressClass[] = [
  "public",
  "private",
  "loopback",
  "link-local",
];

/** Four numbers of a canonical dotted quad; undefined for any other text. */
export const parseIpv4 = (text: string): readonly number[] | undefined => {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes: number[] = [];
  for (const part of parts) {
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes.push(Number(part));
  }
  return bytes;
};

const parsePieces = (text: string): number[] | undefined => {
  if (text === "") return [];
  const pieces: number[] = [];
  const parts = text.split(":");
  for (const [at, part] of parts.entries()) {
    const quad = at === parts.length - 1 && part.includes(".") ? parseIpv4(part) : undefined;
    if (quad !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = quad;
      pieces.push(a * 256 + b, c * 256 + d);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) pieces.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return pieces;
};

/** Eight numbers of an IPv6 address without zone; undefined for any other text. */
export const parseIpv6 = (text: string): readonly number[] | undefined => {
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parsePieces(halves[0] ?? "");
  const tail = halves[1] === undefined ? [] : parsePieces(halves[1]);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1) return missing === 0 && text !== "" ? head : undefined;
  return missing < 1 ? undefined : [...head, ...Array.from({ length: missing }, () => 0), ...tail];
};

const quadOf = (high: number, low: number): string =>
  [high >> 8, high & 255, low >> 8, low & 255].join(".");

/** RFC 5952: small letters, the first longest run of zeros as `::`. */
export const formatIpv6 = (pieces: readonly number[]): string => {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < pieces.length; at++) {
    let length = 0;
    while (pieces[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = pieces.map((piece) => piece.toString(16));
  if (best.at < 0) return hex.join(":");
  const after = hex.slice(best.at + best.length).join(":");
  return `${hex.slice(0, best.at).join(":")}::${after}`;
};

/** The IPv4 address that an IPv6 address leads to, where it leads to one. */
const embeddedIpv4 = (pieces: readonly number[]): string | undefined => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = pieces;
  const zeros = a === 0 && b === 0 && c === 0 && d === 0;
  // Mapped (::ffff:0:0/96), translated (::ffff:0:0:0/96), compatible (::/96).
  if (zeros && ((e === 0 && (f === 0xffff || f === 0)) || (e === 0xffff && f === 0))) {
    return quadOf(g, h);
  }
  // NAT64, the well-known and the local-use prefix.
  if (a === 0x64 && b === 0xff9b && ((c | d | e | f) === 0 || c === 1)) return quadOf(g, h);
  if (a === 0x2002) return quadOf(b, c);
  return undefined;
};

/** An address as one canonical text: a mapped IPv4 address is that IPv4 address. */
export const canonicalAddress = (text: string): string | undefined => {
  const quad = parseIpv4(text);
  if (quad !== undefined) return quad.join(".");
  const pieces = parseIpv6(text);
  if (pieces === undefined) return undefined;
  const [a, b, c, d, e, f, g = 0, h = 0] = pieces;
  const mapped = a === 0 && b === 0 && c === 0 && d === 0 && e === 0 && f === 0xffff;
  return mapped ? quadOf(g, h) : formatIpv6(pieces);
};

const classOfIpv4 = ([a = 0, b = 0, c = 0]: readonly number[]): AddressClass | "reserved" => {
  // 0.0.0.0/8 leads to this machine on most systems.
  if (a === 127 || a === 0) return "loopback";
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)) return "private";
  if (a === 100 && b >= 64 && b < 128) return "private";
  if (a === 169 && b === 254) return "link-local";
  if (a === 192 && b === 0 && (c === 0 || c === 2)) return "reserved";
  if (a === 192 && b === 88 && c === 99) return "reserved";
  if (a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) return "reserved";
  if (a === 203 && b === 0 && c === 113) return "reserved";
  return a >= 224 ? "reserved" : "public";
};

const classOfIpv6 = (pieces: readonly number[]): AddressClass | "reserved" => {
  const [a = 0, b = 0] = pieces;
  if (pieces.slice(0, 7).every((piece) => piece === 0) && (pieces[7] ?? 0) < 2) return "loopback";
  const quad = embeddedIpv4(pieces);
  if (quad !== undefined) return classOfIpv4(parseIpv4(quad) ?? []);
  if ((a & 0xfe00) === 0xfc00 || (a & 0xffc0) === 0xfec0) return "private";
  if ((a & 0xffc0) === 0xfe80) return "link-local";
  // Global unicast is 2000::/3; of it, protocol assignments and documentation are no hosts.
  if ((a & 0xe000) !== 0x2000) return "reserved";
  if (a === 0x2001 && (b < 0x200 || b === 0xdb8)) return "reserved";
  return a === 0x3fff && b < 0x1000 ? "reserved" : "public";
};

/** The class of an address; `reserved` for what is no address of a host, and for any other text. */
export const addressClass = (text: string): AddressClass | "reserved" => {
  const quad = parseIpv4(text);
  if (quad !== undefined) return classOfIpv4(quad);
  const pieces = parseIpv6(text);
  return pieces === undefined ? "reserved" : classOfIpv6(pieces);
};
