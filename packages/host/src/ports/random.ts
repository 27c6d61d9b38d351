/** The `Random` port on Node: the kernel's generator. */
import { randomFillSync } from "node:crypto";
import type { Random } from "@ioi/base";

export const systemRandom: Random = {
  fill(bytes) {
    randomFillSync(bytes);
    return bytes;
  },
};
