/** The seccomp filter, run by an interpreter of its own against the table it is made from. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeProgram } from "../src/sandbox/bpf.ts";
import { filterBytes, filterProgram, type FilterChoice } from "../src/sandbox/seccomp.ts";
import {
  examined,
  refusedAlways,
  refusedWithoutNamespaces,
  refusedWithoutNetwork,
} from "../src/sandbox/syscall-table.ts";

type Verdict = "allow" | "kill" | { readonly errno: number };
const refused: Verdict = { errno: 1 };

interface Call {
  readonly nr: number;
  readonly arch?: number;
  readonly args?: readonly bigint[];
}

const archOf = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** struct seccomp_data as the kernel lays it out. */
const dataOf = (choice: FilterChoice, call: Call): DataView => {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.nr >>> 0, true);
  data.setUint32(4, call.arch ?? archOf[choice.arch], true);
  (call.args ?? []).forEach((value, index) => data.setBigUint64(16 + 8 * index, value, true));
  return data;
};

/** Classic BPF as seccomp accepts it, from the encoded bytes. */
const run = (program: Uint8Array, data: DataView): Verdict => {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let accumulator = 0;
  for (let at = 0; ; at++) {
    assert.ok(at * 8 < code.byteLength, "ran past the end");
    const operation = code.getUint16(at * 8, true);
    const [jt, jf] = [code.getUint8(at * 8 + 2), code.getUint8(at * 8 + 3)];
    const k = code.getUint32(at * 8 + 4, true);
    const jump = (taken: boolean): void => {
      at += taken ? jt : jf;
    };
    if (operation === 0x20) accumulator = data.getUint32(k, true);
    else if (operation === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (operation === 0x15) jump(accumulator === k);
    else if (operation === 0x35) jump(accumulator >= k);
    else if (operation === 0x45) jump((accumulator & k) !== 0);
    else if (operation === 0x06) {
      if (k === 0x7fff0000) return "allow";
      if (k === 0x80000000) return "kill";
      assert.equal(k >>> 16, 5, "an errno verdict");
      return { errno: k & 0xffff };
    } else assert.fail(`operation ${operation}`);
  }
};

const choices: readonly FilterChoice[] = (["x64", "arm64"] as const).flatMap((arch) =>
  (["none", "own", "host"] as const).flatMap((network) =>
    [false, true].map((mayCreateNamespaces) => ({ arch, network, mayCreateNamespaces })),
  ),
);

const judge = (choice: FilterChoice, call: Call): Verdict =>
  run(filterBytes(choice), dataOf(choice, call));

const numbersOf = (
  choice: FilterChoice,
  table: Readonly<Record<string, readonly [number, number]>>,
): readonly number[] =>
  Object.values(table)
    .map((numbers) => numbers[choice.arch === "x64" ? 0 : 1])
    .filter((number) => number >= 0);

const numberOf = (choice: FilterChoice, name: keyof typeof examined): number =>
  examined[name][choice.arch === "x64" ? 0 : 1];

test("calls of the table are refused, and only to whom the table says", () => {
  for (const choice of choices) {
    for (const nr of numbersOf(choice, refusedAlways)) {
      assert.deepEqual(judge(choice, { nr }), refused, `${JSON.stringify(choice)} ${nr}`);
    }
    const namespaces: Verdict = choice.mayCreateNamespaces ? "allow" : refused;
    for (const nr of numbersOf(choice, refusedWithoutNamespaces)) {
      assert.deepEqual(judge(choice, { nr }), namespaces, `${JSON.stringify(choice)} ${nr}`);
    }
    if (choice.network === "none") {
      for (const nr of numbersOf(choice, refusedWithoutNetwork)) {
        assert.deepEqual(judge(choice, { nr }), refused, `${JSON.stringify(choice)} ${nr}`);
      }
    }
  }
});

test("every other call is allowed", () => {
  for (const choice of choices) {
    const named = new Set(
      [refusedAlways, refusedWithoutNamespaces, refusedWithoutNetwork, examined].flatMap(
        (table) => [...numbersOf(choice, table)],
      ),
    );
    const program = filterBytes(choice);
    fc.assert(
      fc.property(
        fc.nat({ max: 1000 }),
        fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 6 }),
        (nr, args) => {
          fc.pre(!named.has(nr));
          assert.equal(run(program, dataOf(choice, { nr, args })), "allow");
        },
      ),
    );
  }
});

test("a foreign architecture ends the process", () => {
  for (const choice of choices) {
    const foreign = choice.arch === "x64" ? [0x40000003, archOf.arm64] : [archOf.x64, 0x40000028];
    for (const arch of foreign) assert.equal(judge(choice, { nr: 0, arch }), "kill");
    // The x32 calls of x86-64 share its architecture and carry bit 30.
    if (choice.arch === "x64") assert.equal(judge(choice, { nr: 0x40000000 + 41 }), "kill");
  }
});

test("namespaces are refused in the flags of clone, and clone3 is not there", () => {
  const flags = [
    0x20000n,
    0x2000000n,
    0x4000000n,
    0x8000000n,
    0x10000000n,
    0x20000000n,
    0x40000000n,
  ];
  for (const choice of choices) {
    const nr = numberOf(choice, "clone");
    const expected: Verdict = choice.mayCreateNamespaces ? "allow" : refused;
    for (const flag of flags) {
      assert.deepEqual(judge(choice, { nr, args: [flag | 17n] }), expected);
    }
    // A thread, a fork, and a flag's bit in the upper half, which the kernel ignores.
    for (const plain of [0x3d0f00n, 17n, 0x10000000n << 32n]) {
      assert.equal(judge(choice, { nr, args: [plain] }), "allow");
    }
    assert.deepEqual(judge(choice, { nr: numberOf(choice, "clone3") }), { errno: 38 });
  }
});

test("typing into a terminal is refused whatever the upper half of the command holds", () => {
  for (const choice of choices) {
    const nr = numberOf(choice, "ioctl");
    for (const command of [0x5412n, 0x541cn, 0x5412n | (1n << 32n)]) {
      assert.deepEqual(judge(choice, { nr, args: [0n, command] }), refused);
    }
    assert.equal(judge(choice, { nr, args: [0n, 0x5401n] }), "allow");
  }
});

test("sockets: who may call Unix sockets connects streams of that kind and binds nothing", () => {
  for (const arch of ["x64", "arm64"] as const) {
    const choice = {
      arch,
      network: "none",
      unixSockets: true,
      mayCreateNamespaces: false,
    } as const;
    const nr = numberOf(choice, "socket");
    const connect = refusedWithoutNetwork.connect[arch === "x64" ? 0 : 1];
    const bind = refusedWithoutNetwork.bind[arch === "x64" ? 0 : 1];
    assert.equal(judge(choice, { nr, args: [1n, 1n | 0o2000000n, 0n] }), "allow");
    for (const args of [
      [1n, 2n, 0n],
      [1n, 5n, 0n],
      [2n, 1n, 0n],
      [10n, 1n, 0n],
      [16n, 3n, 0n],
    ]) {
      assert.deepEqual(judge(choice, { nr, args }), refused);
    }
    assert.equal(judge(choice, { nr: connect }), "allow");
    assert.deepEqual(judge(choice, { nr: bind }), refused);
  }
});

test("sockets: a network has internet and routes, none has connected pairs only", () => {
  for (const choice of choices) {
    const socket = numberOf(choice, "socket");
    const pair = numberOf(choice, "socketpair");
    const network: Verdict = choice.network === "none" ? refused : "allow";
    for (const domain of [2n, 10n]) {
      assert.deepEqual(judge(choice, { nr: socket, args: [domain, 1n, 0n] }), network);
    }
    assert.deepEqual(judge(choice, { nr: socket, args: [16n, 3n, 0n] }), network);
    // Raw sockets see what passes a device: in a namespace of its own nobody needs them.
    const raw: Verdict = choice.network === "host" ? "allow" : refused;
    assert.deepEqual(judge(choice, { nr: socket, args: [2n, 3n, 1n] }), raw);
    for (const args of [
      [1n, 1n, 0n],
      [16n, 3n, 9n],
      [17n, 3n, 0n],
      [38n, 5n, 0n],
      [40n, 1n, 0n],
    ]) {
      assert.deepEqual(judge(choice, { nr: socket, args }), refused);
    }
    const cloexec = 0o2000000n;
    for (const type of [1n, 5n, 1n | cloexec]) {
      assert.equal(judge(choice, { nr: pair, args: [1n, type] }), "allow");
    }
    // SOCK_DGRAM, SOCK_RAW (the same to AF_UNIX) and another family.
    for (const args of [
      [1n, 2n],
      [1n, 3n],
      [1n, 2n | cloexec],
      [16n, 1n],
    ]) {
      assert.deepEqual(judge(choice, { nr: pair, args }), refused);
    }
  }
});

test("devices are not made, FIFOs and files are", () => {
  for (const choice of choices) {
    const calls = [
      { nr: numberOf(choice, "mknod"), before: [0n] },
      { nr: numberOf(choice, "mknodat"), before: [0n, 0n] },
    ].filter(({ nr }) => nr >= 0);
    for (const { nr, before } of calls) {
      for (const type of [0x2000n, 0x6000n]) {
        assert.deepEqual(judge(choice, { nr, args: [...before, type | 0o666n] }), refused);
      }
      for (const type of [0x1000n, 0x8000n, 0n]) {
        assert.equal(judge(choice, { nr, args: [...before, type | 0o666n] }), "allow");
      }
    }
  }
});

test("a program stays bound to its parent's life, unless it builds sandboxes", () => {
  for (const choice of choices) {
    const nr = numberOf(choice, "prctl");
    const expected: Verdict = choice.mayCreateNamespaces ? "allow" : refused;
    assert.deepEqual(judge(choice, { nr, args: [1n, 0n] }), expected);
    assert.equal(judge(choice, { nr, args: [38n, 1n] }), "allow");
  }
});

test("the bytes are eight for each instruction and end in a verdict", () => {
  for (const choice of choices) {
    const program = filterProgram(choice);
    assert.equal(encodeProgram(program).length, program.length * 8);
    assert.equal(program.at(-1)?.code, 0x06);
  }
});
