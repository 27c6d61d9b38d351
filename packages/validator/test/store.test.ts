/** The files of the chain: a rotation that fails anywhere is done again, and every height is noted once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FileHandle, type Files, OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { type SimFiles, SimRandom } from "@ioi/sim";
import { segmentsKept } from "@ioi/validator";
import { lookAround, makeFile, Store } from "../src/store.ts";
import { freshFiles } from "./support.ts";

const base = { start: new Uint8Array(0), signature: new Uint8Array(0), state: [] };

type Step = "open" | "close" | "rename" | "remove";

/** Fails once, at the step that is named. */
class Failing {
  next: Step | undefined;
  /** Such steps that go well before. */
  passing = 0;

  at(step: Step): void {
    if (this.next !== step || this.passing-- > 0) return;
    this.next = undefined;
    throw new OperationError("E_FILES_IO", `${step} fails`);
  }
}

const failingHandle = (handle: FileHandle, failing: Failing): FileHandle =>
  new Proxy(handle, {
    get: (target, name) => {
      if (name === "close") {
        return async () => {
          await target.close();
          failing.at("close");
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

const failingFiles = (files: SimFiles, failing: Failing): Files =>
  new Proxy(files, {
    get: (target, name) => {
      if (name === "open") {
        return async (path: string, mode: "read" | "write" | "create") => {
          failing.at("open");
          return failingHandle(await target.open(path, mode), failing);
        };
      }
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: readonly unknown[]): unknown => {
        if (name === "rename" || name === "remove") failing.at(name);
        return value.apply(target, args);
      };
    },
  });

const begin = async (heights: number) => {
  const files = freshFiles("store");
  const failing = new Failing();
  const place = {
    files: failingFiles(files, failing),
    random: new SimRandom("store"),
    hashing: nodeCrypto,
  };
  await lookAround(files);
  for (let n = 1; n <= heights; n++) await makeFile(place, BigInt(n), base, []);
  const { heights: known } = await lookAround(files);
  const store = await Store.open(place, 1, known);
  for await (const _ of store.records()) void _;
  return { files, failing, store };
};

const steps: readonly (readonly [string, Step, number])[] = [
  ["the new file is not opened", "open", 0],
  ["the new file is not closed", "close", 0],
  ["the new file gets no name", "rename", 0],
  ["the new file is not opened again", "open", 1],
  ["the full file is not closed", "close", 1],
  ["the oldest file is not removed", "remove", 0],
];

for (const [what, step, passing] of steps) {
  test(`where ${what}, the next call goes on, and one file goes for the one that came`, async () => {
    const { files, failing, store } = await begin(segmentsKept);
    assert.equal(store.first, 1n);
    failing.next = step;
    failing.passing = passing;
    const height = BigInt(segmentsKept + 1);
    await assert.rejects(store.rotate(height, base, []), { code: "E_FILES_IO" });
    assert.equal(failing.next, undefined, "control: it failed");
    await store.rotate(height, base, []);
    await store.rotate(height + 1n, base, []);
    assert.equal(store.first, 3n);
    const { heights } = await lookAround(files);
    assert.deepEqual(
      heights,
      Array.from({ length: segmentsKept }, (_, n) => BigInt(n + 3)),
    );
    assert.equal(await store.read(2n), undefined);
    await store.close();
    assert.deepEqual((await lookAround(files)).heights, heights);
  });
}
