/** Where the fields of proofs over an index stand: `specs/scs/mhnsw.md`, sections 8 and 12, read by itself. */
import type { Region } from "./bytes.ts";

class Regions {
  readonly found: Region[] = [];
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(field: string, length: number): void {
    this.found.push({ field, from: this.#at, to: this.#at + length });
    this.#at += length;
  }

  byte(field: string): number {
    this.take(field, 1);
    return this.#bytes[this.#at - 1] as number;
  }

  varint(field: string): number {
    const from = this.#at;
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    this.found.push({ field, from, to: this.#at });
    return value;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }
}

const leaf = (regions: Regions, dimension: number): void => {
  const level = regions.byte("leaf.level");
  regions.byte("leaf.gone");
  const kind = regions.byte("leaf.shown");
  regions.take("leaf.record", 32);
  if (kind === 0) regions.take("leaf.vectorHash", 32);
  else regions.take("leaf.upper", dimension);
  if (kind === 1) regions.take("leaf.lowerHash", 32);
  if (kind === 2) regions.take("leaf.lower", Math.ceil((dimension * 5) / 8));
  for (let layer = 0; layer <= level; layer++) {
    if (regions.byte("leaf.listShown") === 0) {
      regions.take("leaf.listHash", 32);
      continue;
    }
    const count = regions.byte("leaf.listCount");
    for (let i = 0; i < count; i++) regions.varint("leaf.listPlace");
  }
};

/** Leaves that a sampled certificate opens. */
const sampleMax = 460;

/** Those of a certificate that none of `nodes` is nearer. */
export const certificateRegions = (
  certificate: Uint8Array,
  nodes: number,
  dimension: number,
): readonly Region[] => {
  const regions = new Regions(certificate);
  regions.byte("version");
  const isSampled = regions.byte("mode") === 1;
  for (let i = 0; i < (isSampled ? sampleMax : nodes); i++) leaf(regions, dimension);
  if (isSampled) {
    const beside = regions.varint("beside.count");
    for (let i = 0; i < beside; i++) regions.take("beside.hash", 32);
  }
  if (!regions.isAtEnd) throw new Error("the certificate has another form than is specified");
  return regions.found.map((each) => ({ ...each, field: `nearest.${each.field}` }));
};

export const indexProofRegions = (proof: Uint8Array, dimension: number): readonly Region[] => {
  const regions = new Regions(proof);
  regions.byte("version");
  regions.take("nodes", 8);
  regions.take("entry", 8);
  regions.byte("entryLevel");
  const codes = regions.varint("dictionary.count");
  for (let i = 0; i < codes; i++) regions.varint("dictionary.number");
  for (let i = 0; i < codes; i++) regions.take("dictionary.code", dimension / 8);
  const leaves = regions.varint("leaves.count");
  for (let i = 0; i < leaves; i++) regions.varint("leaves.number");
  for (let i = 0; i < leaves; i++) leaf(regions, dimension);
  const beside = regions.varint("beside.count");
  for (let i = 0; i < beside; i++) regions.take("beside.hash", 32);
  if (!regions.isAtEnd)
    throw new Error("the proof over the index has another form than is specified");
  return regions.found.map((each) => ({ ...each, field: `index.${each.field}` }));
};
