/** The worked example of the specification is made again and compared, byte by byte; bounds of contents. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { wasmSource } from "@ioi/host/wasm";
import { SimFiles } from "@ioi/sim";
import { schema } from "@ioi/wire";
import {
  createSubstrate,
  functionEmbedder,
  type KernelExports,
  openSubstrate,
  simdKernel,
} from "../src/index.ts";
import { memoryTimeMsMax } from "../src/limits.ts";
import { decodeMemory, encodeMemory } from "../src/memory.ts";
import * as messages from "../src/messages.ts";
import { memorySlice } from "../src/share/messages.ts";
import { bytesOf, memoryOf, placeOn } from "./support.ts";

const specification = new URL("../../../specs/scs/format.md", import.meta.url);

const dump = (bytes: Uint8Array): string => {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Buffer.from(bytes.subarray(at, at + 16));
    const hex = row.toString("hex").replace(/(..)(?=.)/g, "$1 ");
    if (row.some((byte) => byte !== 0)) lines.push(`${at.toString(16).padStart(4, "0")}  ${hex}`);
    else if (lines.at(-1) !== "..") lines.push("..");
  }
  return lines.join("\n");
};

test("the example of the specification", async () => {
  const place = placeOn(new SimFiles({ seed: "format" }), "format");
  const identity = { kind: "example", name: "one to eight", revision: "1" };
  const embedder = functionEmbedder({ identity, dimension: 8 }, (texts) =>
    Promise.resolve(texts.map(() => [1, 2, 3, 4, 5, 6, 7, 8])),
  );
  await createSubstrate(place, { slot: { type: "open" }, embedder });
  {
    const kernel = wasmSource<KernelExports>(simdKernel);
    await using substrate = await openSubstrate(place, "write", { embedder, kernel });
    await substrate.remember([
      { text: "The key is under the mat.", origin: { kind: "user", from: "example" } },
    ]);
  }
  const made = dump(await bytesOf(place));
  const text = readFileSync(specification, "utf8");
  const example = /```hex\n([^`]*)\n```/.exec(text)?.[1];
  if (process.env["IOI_APPROVE"] === "1") {
    writeFileSync(
      specification,
      `${text.slice(0, text.indexOf("```hex"))}\`\`\`hex\n${made}\n\`\`\`\n`,
    );
    return;
  }
  assert.equal(made, example);
});

test("the time of a record, a slice, a file or a commit is one of the calendar", () => {
  const check = <T extends object>(of: schema.Schema<T>, field: keyof T & string): void => {
    const isTaken = (ms: number): boolean => {
      const value = { ...of.example(() => 0), [field]: ms };
      return schema.decode(of, schema.encode(schema.anything, value)).ok;
    };
    const taken = [0, memoryTimeMsMax, memoryTimeMsMax + 1, Number.MAX_SAFE_INTEGER].map(isTaken);
    assert.deepEqual(taken, [true, true, false, false]);
  };
  check(messages.tomb, "atMs");
  check(messages.shred, "atMs");
  check(messages.supersede, "atMs");
  check(messages.drop, "atMs");
  check(messages.compacted, "atMs");
  check(messages.commitBody, "atMs");
  check(memorySlice, "atMs");
  check(messages.parameters, "createdMs");
});

test("a content of a time that no calendar has is none", () => {
  const encoded = encodeMemory(memoryOf(1), new Uint8Array(32), memoryTimeMsMax);
  assert.ok(encoded.ok);
  assert.equal(decodeMemory(1, 0, encoded.value)?.atMs, memoryTimeMsMax, "control");
  const bytes = Buffer.from(encoded.value);
  const last = bytes.indexOf("0000e677d21fdbff", 0, "hex");
  assert.ok(last > 0);
  bytes.writeUInt32BE(0xe678, last);
  assert.equal(decodeMemory(1, 0, new Uint8Array(bytes)), undefined);
});
