/** Bad input: memory files, what is put into them, and proofs, through `ioi scs` and without a kernel. */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { crc32c, fromHex, OperationError, SeededRandom, toHex } from "@ioi/base";
import { generateSealingKeys, sealingPublicKey } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { wasmSource } from "@ioi/host/wasm";
import {
  createSubstrate,
  type Embedder,
  functionEmbedder,
  HashedEmbedder,
  type KernelExports,
  type NewSlot,
  openSubstrate,
  sealSlice,
  type Place,
  simdKernel,
} from "@ioi/scs";
import { verifyRecall } from "@ioi/verifier";
import { type CliResult, ioi, Scratch } from "../kernel.ts";
import { answered, type BadInputCase, judged, type Means, show, type Verdict } from "./case.ts";

const scs = (means: Means, folder: string, ...args: readonly string[]): Promise<CliResult> =>
  means.ioi(["scs", ...args], { cwd: folder });

const kernel = wasmSource<KernelExports>(simdKernel);
const memoryOf = (text: string) => ({ text, origin: { kind: "user", from: "suite" } });
const placeIn = (folder: string): Place => ({
  files: openFiles(folder),
  path: "a.scs",
  provider: nodeCrypto,
  now: () => Date.now(),
});

/** A folder with a file of two memories in two commits. */
const made = async (
  scratch: Scratch,
  slot: NewSlot = { type: "open" },
  embedder?: Embedder,
): Promise<string> => {
  const folder = scratch.folder("memory");
  const place = placeIn(folder);
  await createSubstrate(place, { slot, embedder });
  const unlock = slot.type === "passphrase" ? slot : undefined;
  await using opened = await openSubstrate(place, "write", { kernel, embedder, unlock });
  await opened.remember([memoryOf("The key is under the mat.")]);
  await opened.remember([memoryOf("The cat is in the garden.")]);
  return folder;
};

const fileCase = (
  id: string,
  change: (bytes: Uint8Array) => Uint8Array,
  judge: (folder: string, means: Means) => Promise<Verdict>,
): BadInputCase => ({
  id: `memory-file-${id}`,
  run: async (means) => {
    using scratch = new Scratch();
    const folder = await made(scratch);
    const file = path.join(folder, "a.scs");
    const bytes = change(new Uint8Array(fs.readFileSync(file)));
    fs.writeFileSync(file, bytes);
    const before = fs.statSync(file, { bigint: true }).mtimeNs;
    const names = fs.readdirSync(folder).join(" ");
    const verdict = await judge(folder, means);
    const after = fs.statSync(file, { bigint: true }).mtimeNs;
    const isUntouched =
      Buffer.compare(fs.readFileSync(file), bytes) === 0 &&
      before === after &&
      fs
        .readdirSync(folder)
        .filter((name) => !name.endsWith(".lock"))
        .join(" ") === names.replace(/ ?a\.scs\.lock/, "");
    return isUntouched
      ? verdict
      : { ...verdict, ok: false, actual: `something was written; ${verdict.actual}` };
  },
});

/** The superblock with another number at `at`, its checksum and hash made right again. */
const withSuperblock = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  view.setUint32(at, value, true);
  view.setUint32(4056, crc32c(changed.subarray(0, 4056)), true);
  const hash = createHash("sha256").update("ioi/scs/superblock/v1\0");
  changed.set(hash.update(changed.subarray(0, 4064)).digest(), 4064);
  return changed;
};

const refused =
  (code: string, exit: number, ...commands: readonly (readonly string[])[]) =>
  async (folder: string, means: Means): Promise<Verdict> => {
    for (const command of commands) {
      const verdict = answered(await scs(means, folder, ...command), exit, code, "Next:");
      if (!verdict.ok) return { ...verdict, actual: `${command[0]}: ${verdict.actual}` };
    }
    return judged(code, true, "as expected, at each command");
  };

const info = ["info", "a.scs"];
const add = ["add", "a.scs", "more"];
const search = ["search", "a.scs", "key"];

const files: readonly BadInputCase[] = [
  fileCase(
    "foreign",
    () => Buffer.from("%PDF-1.7\n".repeat(2000)),
    refused("E_SCS_FOREIGN", 5, info, add),
  ),
  fileCase("empty", () => new Uint8Array(), refused("E_SCS_FOREIGN", 5, info, add)),
  fileCase(
    "of-the-future",
    (bytes) => withSuperblock(bytes, 8, 2),
    refused("E_SCS_NEWER", 5, info, add),
  ),
  fileCase(
    "with-a-future-feature",
    (bytes) => withSuperblock(bytes, 12, 1),
    refused("E_SCS_NEWER", 5, add),
  ),
  fileCase(
    "truncated",
    (bytes) => bytes.slice(0, bytes.length - 100),
    refused("E_SCS_DAMAGED", 5, add),
  ),
  fileCase(
    "concatenated",
    (bytes) => Buffer.concat([bytes, bytes]),
    refused("E_SCS_DAMAGED", 5, add),
  ),
  fileCase(
    "truncated-is-read",
    (bytes) => bytes.slice(0, bytes.length - 100),
    async (folder, means) => {
      const found = await scs(means, folder, ...search);
      return answered(found, 0, "The key is under the mat.");
    },
  ),
];

const wrongKey: BadInputCase = {
  id: "memory-file-wrong-key",
  run: async (means) => {
    using scratch = new Scratch();
    const [right, wrong] = [scratch.at("right"), scratch.at("wrong")];
    fs.writeFileSync(right, "correct horse\n");
    fs.writeFileSync(wrong, "battery staple\n");
    const scrypt = { log2Cost: 15, blockSize: 8, parallel: 1 };
    const passphrase = Buffer.from("correct horse");
    const folder = await made(scratch, { type: "passphrase", passphrase, scrypt });
    const found = await scs(means, folder, ...search, "--passphrase-file", right);
    const not = await scs(means, folder, ...search, "--passphrase-file", wrong);
    const verdict = answered(not, 5, "E_SCS_KEY", "Next:");
    return found.code === 0 ? verdict : answered(found, 0, "opens with the right one");
  },
};

const mixedEmbedders: BadInputCase = {
  id: "memory-file-mixed-embedders",
  run: async (means) => {
    using scratch = new Scratch();
    const folder = await made(scratch, { type: "open" }, new HashedEmbedder());
    // Nobody answers there, and nobody is asked.
    const other = ["--embedder", "http://127.0.0.1:9/v1#other"];
    return answered(await scs(means, folder, ...add, ...other), 2, "E_SCS_EMBEDDER", "Next:");
  },
};

const emptyText: BadInputCase = {
  id: "memory-empty",
  run: async ({ ioi: command }) => {
    using scratch = new Scratch();
    const folder = await made(scratch);
    const before = fs.readFileSync(path.join(folder, "a.scs"));
    const empty = await command(["scs", "add", "a.scs", "-"], { cwd: folder });
    const verdict = answered(empty, 2, "E_SCS_INPUT", "Next:");
    const same = Buffer.compare(before, fs.readFileSync(path.join(folder, "a.scs"))) === 0;
    return { ...verdict, ok: verdict.ok && same };
  },
};

const hugeText: BadInputCase = {
  id: "memory-of-100-MB",
  run: async () => {
    using scratch = new Scratch();
    const folder = await made(scratch);
    const before = fs.statSync(path.join(folder, "a.scs")).size;
    const input = "a memory without end ".repeat(5_000_000);
    const huge = await ioi(["scs", "add", "a.scs", "-"], { cwd: folder, input });
    const verdict = answered(huge, 5, "has more than 8388608 bytes", "Next:");
    const same = fs.statSync(path.join(folder, "a.scs")).size === before;
    return { ...verdict, ok: verdict.ok && same };
  },
};

const dimension = 16;
const identity = { kind: "function", name: "bad", revision: "1" };

/** Through the API: no command takes vectors. */
const vectorCase = (id: string, vector: () => readonly number[]): BadInputCase => ({
  id: `memory-vector-${id}`,
  run: async () => {
    using scratch = new Scratch();
    const place = placeIn(scratch.folder("memory"));
    const embedder = functionEmbedder({ identity, dimension }, (texts) =>
      Promise.resolve(texts.map(() => vector())),
    );
    await createSubstrate(place, { slot: { type: "open" }, embedder });
    await using opened = await openSubstrate(place, "write", { embedder, kernel });
    const codeOf = (error: unknown): string =>
      error instanceof OperationError ? error.code : String(error);
    const stored = await opened.remember([memoryOf("x")]).then(() => "stored", codeOf);
    const asked = await opened
      .recall({ vector: Float32Array.from(vector()), k: 1, by: "vectors" })
      .then(() => "answered", codeOf);
    const actual = `${stored} ${asked} ${opened.info.memories} memories`;
    const expected = "E_SCS_VECTOR E_SCS_VECTOR 0 memories";
    return judged(expected, actual === expected, actual);
  },
});

const ones = (length: number): readonly number[] => Array.from({ length }, () => 1);

const hostileProofs: BadInputCase = {
  id: "memory-proof-hostile",
  run: async (means) => {
    using scratch = new Scratch();
    const folder = scratch.folder("proofs");
    const random = new SeededRandom("hostile proofs");
    const bad = {
      empty: new Uint8Array(),
      random: random.fill(new Uint8Array(5000)),
      deep: new Uint8Array(1_000_000).fill(0x81),
      endless: Uint8Array.of(0x9f, 0x01),
      counts: Buffer.from("bb001fffffffffffff", "hex"),
      zeros: new Uint8Array(16_000_000),
      json: Buffer.from('{"schema":"ioi.recall-proof/1"}'),
    };
    const commit = new Uint8Array(32);
    for (const [name, bytes] of Object.entries(bad)) {
      const verdict = verifyRecall(bytes, { commit });
      if (verdict.ok) return judged("each is refused", false, `${name} verifies`);
    }
    fs.writeFileSync(path.join(folder, "deep"), bad.deep);
    const deep = await scs(means, folder, "verify", "deep", "--commit", toHex(commit));
    if (deep.code !== 6) return judged("exit 6", false, show(deep));
    fs.writeFileSync(path.join(folder, "large"), new Uint8Array(20_000_000));
    const large = await scs(means, folder, "verify", "large", "--commit", toHex(commit));
    return judged("each is refused", large.code === 5 || large.code === 6, show(large));
  },
};

const hostileSlices: BadInputCase = {
  id: "memory-slice-hostile",
  run: async (means) => {
    using scratch = new Scratch();
    const folder = await made(scratch);
    const key = (await scs(means, folder, "agent-key", "agent.key", "--json")).json;
    const recipient = fromHex((key as { readonly publicKey: string }).publicKey);
    if (recipient === undefined) return judged("a key", false, "it is not hex");
    await using opened = await openSubstrate(placeIn(folder), "read", { kernel });
    const proof = await opened.show([0]);
    const from = new Uint8Array(32);
    const seal = (to: Uint8Array): Uint8Array => {
      const slice = sealSlice(nodeCrypto, { from, recipient: to, atMs: 0, proof });
      if (!slice.ok) throw new Error(slice.error.message);
      return slice.value;
    };
    const good = seal(recipient);
    const slices = {
      altered: [good.slice().fill(0, good.length - 9), 6, "E_SLICE_INVALID"],
      random: [new SeededRandom("slice").fill(new Uint8Array(3000)), 6, "E_SLICE_INVALID"],
      other: [seal(sealingPublicKey(generateSealingKeys(nodeCrypto))), 5, "E_SLICE_KEY"],
      good: [good, 0, "memor"],
      again: [good, 5, "E_SLICE_TAKEN"],
    } as const;
    for (const [name, [bytes, exit, text]] of Object.entries(slices)) {
      fs.writeFileSync(path.join(folder, name), bytes);
      const taken = await scs(means, folder, "receive", "a.scs", name, "--keys", "agent.key");
      const verdict = answered(taken, exit, text);
      if (!verdict.ok) return { ...verdict, actual: `${name}: ${verdict.actual}` };
    }
    return judged("refused, taken once", true, "as expected");
  },
};

export const memoryFileCases: readonly BadInputCase[] = [
  ...files,
  wrongKey,
  mixedEmbedders,
  emptyText,
  hugeText,
  vectorCase("of-another-dimension", () => ones(dimension + 1)),
  vectorCase("not-a-number", () => [Number.NaN, ...ones(dimension - 1)]),
  vectorCase("infinite", () => [Number.POSITIVE_INFINITY, ...ones(dimension - 1)]),
  vectorCase("of-zeros", () => ones(dimension).map(() => 0)),
  hostileProofs,
  hostileSlices,
];
