/** The other process of the bulk tests: puts numbered pieces until it is killed. */
import type { Log } from "@ioi/base";
import { takePlanes } from "@ioi/host/dataplane";
import { descriptors, inheritedSocket } from "@ioi/host/process";

const log: Log = { log: () => undefined, child: () => log };
const { out } = takePlanes(descriptors, inheritedSocket, log);
for (let n = 0; ; n++) {
  const bulk = out?.put(new Uint8Array(200_000).fill(n & 0xff));
  if (bulk === undefined) break;
  await bulk.placed;
}
process.exit(0);
