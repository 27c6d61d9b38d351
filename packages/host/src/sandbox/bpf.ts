/**
 * A small assembler for classic BPF as seccomp runs it. Source: linux/filter.h, linux/seccomp.h.
 * Jumps are named; an offset above 255 is a bug of the caller.
 */
import { assert } from "@ioi/base";
import { sandboxFilterMax } from "./limits.ts";

export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** Load the 32-bit word of seccomp_data at an offset. */
const LD_W_ABS = 0x20;
const JEQ = 0x15;
const JGE = 0x35;
const JSET = 0x45;
const AND = 0x54;
const RET = 0x06;

/** Offsets in struct seccomp_data, little-endian. */
export const dataOffset = {
  nr: 0,
  arch: 4,
  argumentLow: (index: number): number => 16 + 8 * index,
};

export const verdicts = {
  allow: 0x7fff0000,
  killProcess: 0x80000000,
  errno: (code: number): number => 0x00050000 | code,
};

export const load = (offset: number): Instruction => ({ code: LD_W_ABS, jt: 0, jf: 0, k: offset });
export const and = (mask: number): Instruction => ({ code: AND, jt: 0, jf: 0, k: mask >>> 0 });
export const ret = (verdict: number): Instruction => ({
  code: RET,
  jt: 0,
  jf: 0,
  k: verdict >>> 0,
});

const jump = (code: number, k: number, jt: number, jf: number): Instruction => {
  assert(jt <= 255 && jf <= 255, "BPF jump too far");
  return { code, jt, jf, k: k >>> 0 };
};

/** Runs `body` when the accumulator equals `value`, else passes over it. */
export const whenEqual = (value: number, body: readonly Instruction[]): readonly Instruction[] => [
  jump(JEQ, value, 0, body.length),
  ...body,
];

export const whenNotEqual = (
  value: number,
  body: readonly Instruction[],
): readonly Instruction[] => [jump(JEQ, value, body.length, 0), ...body];

/** Runs `body` when a bit of `mask` is set in the accumulator. */
export const whenAnyBit = (mask: number, body: readonly Instruction[]): readonly Instruction[] => [
  jump(JSET, mask, 0, body.length),
  ...body,
];

export const whenAtLeast = (
  value: number,
  body: readonly Instruction[],
): readonly Instruction[] => [jump(JGE, value, 0, body.length), ...body];

/** The bytes the kernel reads: struct sock_filter, eight bytes each. */
export const encodeProgram = (program: readonly Instruction[]): Uint8Array => {
  assert(program.length <= sandboxFilterMax, "BPF program too long");
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach((one, index) => {
    view.setUint16(index * 8, one.code, true);
    view.setUint8(index * 8 + 2, one.jt);
    view.setUint8(index * 8 + 3, one.jf);
    view.setUint32(index * 8 + 4, one.k, true);
  });
  return bytes;
};
