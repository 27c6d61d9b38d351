/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 appendix B.4), eight bytes a step.
 * It finds every single changed byte and every burst of up to 32 bits; it is no protection against
 * a forger.
 */

const makeTables = (): readonly Uint32Array[] => {
  const all = Array.from({ length: 8 }, () => new Uint32Array(256));
  const first = all[0] as Uint32Array;
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    first[n] = crc;
  }
  for (let k = 1; k < 8; k++) {
    const [before, table] = [all[k - 1] as Uint32Array, all[k] as Uint32Array];
    for (let n = 0; n < 256; n++) {
      const crc = before[n] as number;
      table[n] = (crc >>> 8) ^ (first[crc & 0xff] as number);
    }
  }
  return all;
};

type Eight<T> = readonly [T, T, T, T, T, T, T, T];
const [t0, t1, t2, t3, t4, t5, t6, t7] = makeTables() as unknown as Eight<Uint32Array>;

/** The checksum of `bytes`; with the checksum of what came before, that of both together. */
export const crc32c = (bytes: Uint8Array, before = 0): number => {
  let crc = ~before;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    crc ^=
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    crc =
      (t7[crc & 0xff] as number) ^
      (t6[(crc >>> 8) & 0xff] as number) ^
      (t5[(crc >>> 16) & 0xff] as number) ^
      (t4[crc >>> 24] as number) ^
      (t3[bytes[i + 4] as number] as number) ^
      (t2[bytes[i + 5] as number] as number) ^
      (t1[bytes[i + 6] as number] as number) ^
      (t0[bytes[i + 7] as number] as number);
  }
  for (; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ (t0[(crc ^ (bytes[i] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
};
