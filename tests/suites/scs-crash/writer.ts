/**
 * A process that adds memories to a file for ever, and says after each that it is stored: what the
 * suite kills. Arguments: the folder, and the number of the first memory.
 */
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { openMemoryFile } from "@ioi/scs";
import { memoryOf, path } from "./world.ts";

const [folder = "", first = "0"] = process.argv.slice(2);
const place = { files: openFiles(folder), path, provider: nodeCrypto, now: () => Date.now() };
await using file = await openMemoryFile(place, "write");
process.stdout.write(`open ${file.info.memories}\n`);
for (let n = Number(first); ; n++) {
  const [id] = await file.add([memoryOf(n)]);
  process.stdout.write(`added ${id} ${n}\n`);
}
