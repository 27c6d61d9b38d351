/** What every `Random` promises. */
import { equalBytes } from "../bytes.ts";
import type { Random } from "../ports.ts";
import { check, type ComplianceCase } from "./harness.ts";

export interface RandomFixture {
  readonly random: Random;
}

export const randomCases: readonly ComplianceCase<RandomFixture>[] = [
  {
    name: "fill returns the array it was given",
    async run({ random }) {
      const bytes = new Uint8Array(16);
      check(random.fill(bytes) === bytes, "the same array");
      const none = new Uint8Array();
      check(random.fill(none) === none, "the same empty array");
    },
  },
  {
    name: "fill reaches every byte of a view and nothing beside it",
    async run({ random }) {
      const backing = new Uint8Array(64);
      const view = backing.subarray(16, 48);
      const seen = new Uint8Array(32);
      // A byte stays zero in all of 64 rounds with probability 2^-512.
      for (let i = 0; i < 64; i++) {
        random.fill(view);
        for (let j = 0; j < 32; j++) seen[j] = (seen[j] as number) | (view[j] as number);
      }
      check(
        seen.every((byte) => byte !== 0),
        "every byte is filled",
      );
      check(
        backing.every((byte, i) => (i >= 16 && i < 48) || byte === 0),
        "bytes beside the view are untouched",
      );
    },
  },
  {
    name: "two fills differ",
    async run({ random }) {
      const [a, b] = [random.fill(new Uint8Array(32)), random.fill(new Uint8Array(32))];
      check(!equalBytes(a, b), "two fills of 32 bytes are equal");
    },
  },
  {
    name: "a large array is filled, with ones and zeros in balance",
    async run({ random }) {
      const bytes = random.fill(new Uint8Array(100_003));
      let ones = 0;
      for (const byte of bytes) for (let bit = byte; bit > 0; bit &= bit - 1) ones += 1;
      // Ten standard deviations of a fair coin.
      const [bits, deviation] = [8 * bytes.length, Math.sqrt(8 * bytes.length) / 2];
      check(Math.abs(ones - bits / 2) < 10 * deviation, `${ones} ones in ${bits} bits`);
    },
  },
];
