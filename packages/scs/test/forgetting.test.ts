/**
 * What whoever has a file and its master key can read of a memory that was forgotten: every key in the
 * file is tried on everything that stands behind it, whether it holds or not.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom, utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { wasmSource } from "@ioi/host/wasm";
import { SimFiles } from "@ioi/sim";
import { schema } from "@ioi/wire";
import {
  compactSubstrate,
  createSubstrate,
  functionEmbedder,
  type KernelExports,
  openSubstrate,
  type Place,
  Quantiser,
  simdKernel,
  type Substrate,
} from "../src/index.ts";
import { FileKeys, openSlots } from "../src/keys.ts";
import {
  decodeFrame,
  decodeKey,
  decodeRecordHeader,
  decodeSegmentHead,
  decodeSuperblock,
  recordBytes,
  recordsFrom,
  recordTypes,
  segmentHeadBytes,
  segmentKindOf,
} from "../src/layout.ts";
import { wordTailBytesMax } from "../src/limits.ts";
import { parameters as parametersSchema } from "../src/messages.ts";
import { textHashBytes } from "../src/substrate/text-hashes.ts";
import { lexOf } from "../src/substrate/word-store.ts";
import { encodeVectors } from "../src/vectors.ts";
import { bytesOf, placeOn } from "./support.ts";

const dimension = 16;
const kernel = wasmSource<KernelExports>(simdKernel);
const vectorOf = (text: string): Float32Array => {
  const random = new SeededRandom(text);
  return Float32Array.from({ length: dimension }, () => random.below(1000) - 500);
};
const embedder = functionEmbedder(
  { identity: { kind: "test", name: "forgetting", revision: "1" }, dimension },
  (texts) => Promise.resolve(texts.map(vectorOf)),
);
const open = (place: Place, mode: "read" | "write" = "write"): Promise<Substrate> =>
  openSubstrate(place, mode, { embedder, kernel });

const secret = "the xylophonist hid it under the harbour";
const textOf = (n: number): string => `note ${n} of ordinary things`;

const nothing = [false, false, false, false];
const all = [true, true, true, true];

/** All that the keys in a file open, held or dropped, and the seed of its quantiser. */
const openedWith = (bytes: Uint8Array): { readonly plain: Buffer; readonly seed: Uint8Array } => {
  const superblock = decodeSuperblock(nodeCrypto, bytes);
  assert.ok(superblock.type === "superblock");
  const { block } = superblock;
  const parameters = schema.decode(parametersSchema, block.parameters);
  assert.ok(parameters.ok);
  const { slots, index } = parameters.value;
  const master = openSlots(nodeCrypto, block.storeId, slots, { type: "none" });
  assert.ok(master);
  const keys = new FileKeys(nodeCrypto, master, block);
  const plain: Uint8Array[] = [];
  let key: Uint8Array | undefined;
  for (let at = recordsFrom; at < bytes.length;) {
    const header = decodeRecordHeader(bytes.subarray(at));
    assert.ok(header);
    const payload = bytes.subarray(at + 24, at + 24 + header.length);
    const owned = header.type === recordTypes.key ? decodeKey(payload) : undefined;
    if (owned !== undefined) key = keys.unwrap(owned, owned.wrapped);
    const frame = header.type === recordTypes.frame ? decodeFrame(payload) : undefined;
    const kind = segmentKindOf(header.type);
    const head = kind && decodeSegmentHead(payload);
    const opened =
      key === undefined
        ? undefined
        : frame !== undefined
          ? keys.openContent(frame.id, frame.class, key, frame.sealed)
          : kind && head && keys.openPart(kind, head, key, payload.subarray(segmentHeadBytes));
    plain.push(opened ?? new Uint8Array());
    // What is not sealed is looked at as it is.
    if (frame === undefined && kind === undefined) plain.push(payload);
    at += recordBytes(header.length);
  }
  return { plain: Buffer.concat(plain), seed: index.quantiserSeed };
};

/** What is found of the secret: its text, a word of it, the beginning of its hash, the bytes of its vector. */
const found = async (place: Place): Promise<readonly boolean[]> => {
  const { plain, seed } = openedWith(await bytesOf(place));
  const components = new Quantiser(nodeCrypto, dimension, seed).components(vectorOf(secret));
  assert.ok(components.ok);
  const packed = encodeVectors(dimension, [components.value]).subarray(3);
  const hash = nodeCrypto.sha256(utf8Encode(secret)).subarray(0, textHashBytes);
  return [secret, "xylophon", hash, packed].map((part) => plain.includes(part));
};

test("nothing that any key in the file opens holds what was forgotten", async () => {
  const place = placeOn(new SimFiles({ seed: "forget" }), "forget");
  await createSubstrate(place, { slot: { type: "open" }, embedder, efConstruction: 20 });
  let id = 0;
  {
    await using substrate = await open(place);
    const texts = [...Array.from({ length: 70 }, (_, n) => textOf(n)), secret];
    const ids = await substrate.remember(
      texts.map((text) => ({ text, origin: { kind: "user", from: "" } })),
    );
    id = ids.at(-1)?.id ?? 0;
    // Several copies come and go: each snapshot replaces the one before.
    await substrate.save();
    await substrate.remember([{ text: textOf(71), origin: { kind: "user", from: "" } }]);
    await substrate.save();
  }
  assert.deepEqual(await found(place), all, "the control: found before");
  {
    await using substrate = await open(place);
    await substrate.forget([id]);
  }
  assert.deepEqual(await found(place), nothing);
  {
    await using substrate = await open(place);
    await substrate.save();
    assert.equal((await substrate.audit()).ok, true);
  }
  assert.deepEqual(await found(place), nothing, "nor after the next snapshot");
  await compactSubstrate(place, { type: "open" }, { embedder, kernel });
  assert.deepEqual(await found(place), nothing, "nor in a compacted file");
});

test("what is forgotten is in no segment of words that is damaged, or still to be written", async () => {
  const place = placeOn(new SimFiles({ seed: "forget words" }), "forget");
  await createSubstrate(place, { slot: { type: "open" }, embedder, efConstruction: 20 });
  const said = (text: string) => ({ text, origin: { kind: "user", from: "" } });
  const rare = (n: number): string =>
    Array.from({ length: 4000 }, (_, word) => `q${n * 4000 + word}z`).join(" ");
  {
    await using substrate = await open(place);
    await substrate.remember([said(textOf(0)), said(secret)]);
    // More words than stay in memory, if the segment that they lie in is made again.
    const texts = Math.ceil(wordTailBytesMax / (4000 * 160));
    await substrate.remember(Array.from({ length: texts + 2 }, (_, n) => said(rare(n))));
    await substrate.save();
  }
  assert.deepEqual(await found(place), all, "the control: found before");
  {
    await using substrate = await open(place, "read");
    const [lex] = lexOf(substrate.file);
    const handle = await place.files.open(place.path, "write");
    const at = (lex?.parts[0]?.offset ?? 0) + segmentHeadBytes;
    const [byte = 0] = await handle.read(at, 1);
    await handle.write(at, Uint8Array.of(byte ^ 1));
    await handle.close();
  }
  {
    await using substrate = await open(place);
    await substrate.forget([1]);
    assert.deepEqual(await found(place), nothing);
    await substrate.save();
    assert.equal((await substrate.audit()).ok, true);
  }
  assert.deepEqual(await found(place), nothing, "nor after the next snapshot");
});

test("a file that is opened to read is not written to, whatever is asked of it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "scs-read-"));
  try {
    const files = openFiles(folder);
    const place: Place = { files, path: "a.scs", provider: nodeCrypto, now: () => 1 };
    await createSubstrate(place, { slot: { type: "open" }, embedder, efConstruction: 20 });
    {
      await using substrate = await open(place);
      const texts = Array.from({ length: 80 }, (_, n) => textOf(n));
      await substrate.remember(texts.map((text) => ({ text, origin: { kind: "user", from: "" } })));
    }
    const look = (): readonly unknown[] => [
      readFileSync(join(folder, "a.scs")),
      statSync(join(folder, "a.scs")).mtimeMs,
      readdirSync(folder).toSorted(),
    ];
    const before = look();
    {
      await using substrate = await open(place, "read");
      await substrate.prove({ text: "note 5", k: 3 });
      await substrate.recall({ text: "note", k: 3, filter: { tags: ["none"] } });
      assert.equal((await substrate.audit()).ok, true);
      for (const change of [
        () => substrate.remember([{ text: "x", origin: { kind: "user", from: "" } }]),
        () => substrate.forget([1]),
        () => substrate.tomb([1]),
        () => substrate.save(),
      ]) {
        await assert.rejects(change(), { code: "E_SCS_READ_ONLY" });
      }
      // A change that was refused leaves nothing in memory either.
      assert.equal((await substrate.recall({ text: "note", k: 1024 })).answers.length, 80);
    }
    assert.deepEqual(look(), before);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a reader whose file went on is told so, and not that it is damaged", async () => {
  const place = placeOn(new SimFiles({ seed: "behind" }), "behind");
  await createSubstrate(place, { slot: { type: "open" }, embedder, efConstruction: 20 });
  await using writer = await open(place);
  await writer.remember(
    [textOf(0), textOf(1)].map((text) => ({ text, origin: { kind: "user", from: "" } })),
  );
  await using reader = await open(place, "read");
  await using other = await open(place, "read");
  await writer.forget([1]);
  await assert.rejects(reader.recall({ text: textOf(1), k: 2, by: "words" }), {
    code: "E_SCS_CHANGED",
  });
  await assert.rejects(other.recall({ vector: vectorOf(textOf(0)), k: 2 }), {
    code: "E_SCS_CHANGED",
  });
  await using again = await open(place, "read");
  const { answers } = await again.recall({ text: textOf(0), k: 2 });
  assert.deepEqual(
    answers.map(({ id }) => id),
    [0],
  );
});
