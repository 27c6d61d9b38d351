/**
 * A process that adds memories to a file for ever, and says after each that it is stored: what the
 * suite kills. It is started ahead of its turn, and begins when a line says in which folder, and with
 * which number.
 */
import { flushCompileCache } from "node:module";
import { createInterface } from "node:readline";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { openMemoryFile } from "@ioi/scs";
import { memoryOf, path } from "./memories.ts";

/**
 * Returns once the kernel has it, so that a kill takes back no word: a pipe that nobody reads for a moment
 * is full after some hundred lines, and further ones would wait in this process.
 */
const say = (line: string): Promise<void> =>
  new Promise((resolve) => {
    process.stdout.write(`${line}\n`, () => {
      resolve();
    });
  });

const write = async (folder: string, first: number): Promise<never> => {
  const place = { files: openFiles(folder), path, provider: nodeCrypto, now: () => Date.now() };
  await using file = await openMemoryFile(place, "write");
  await say(`open ${file.info.memories}`);
  for (let n = first; ; n++) {
    const [id] = await file.add([memoryOf(n)]);
    await say(`added ${id} ${n}`);
  }
};

// It will not end by itself, and so would leave no compiled code to the next.
flushCompileCache();

for await (const line of createInterface(process.stdin)) {
  const [folder = "", first = "0"] = line.split(" ");
  await write(folder, Number(first));
}
