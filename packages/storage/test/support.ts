/** Shared by the tests of the log. */
import type { Files } from "@ioi/base";
import { utf8Decode, utf8Encode } from "@ioi/base";
import { SimFiles, SimRandom } from "@ioi/sim";
import { openWal, type Wal } from "../src/index.ts";

export const path = "it.log";
export const repairHint = "ioi doctor repair it";

export const openLog = (files: Files, seed = "salt"): Promise<Wal> =>
  openWal({ files, path, random: new SimRandom(seed), repairHint });

/** A payload that says who it is, of a length that varies. */
export const payloadOf = (n: number): Uint8Array =>
  utf8Encode(`record ${n} ${"x".repeat((n * 97) % 700)}`);

export const numberOf = (payload: Uint8Array): number =>
  Number((utf8Decode(payload) ?? "").split(" ")[1]);

export const readAll = async (log: Wal, from = 0): Promise<{ type: number; text: string }[]> => {
  const all: { type: number; text: string }[] = [];
  for await (const { type, payload } of log.read(from)) {
    all.push({ type, text: utf8Decode(payload) ?? "(not text)" });
  }
  return all;
};

export const bytesOf = (files: Files): Promise<Uint8Array> => files.readFile(path, 10_000_000);

/** A log of `count` durable records, and its bytes. */
export const makeLog = async (
  count: number,
): Promise<{ readonly files: SimFiles; readonly bytes: Uint8Array }> => {
  const files = new SimFiles({ seed: "log" });
  await using log = await openLog(files);
  for (let n = 0; n < count; n++) await log.appendDurable(n, payloadOf(n));
  return { files, bytes: await bytesOf(files) };
};

/** Files that hold exactly these bytes under the log's name. */
export const filesWith = async (bytes: Uint8Array): Promise<SimFiles> => {
  const files = new SimFiles({ seed: "bytes" });
  await files.replaceFile(path, bytes);
  return files;
};
