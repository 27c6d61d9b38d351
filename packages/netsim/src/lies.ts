/** What a lying host answers where blocks are asked for; each is well formed, as it would come from a wire. */
import type { SeededRandom } from "@ioi/base";
import { type ConsensusBlock, schema, type SyncChunk, syncChunk } from "@ioi/wire";

export const lieNames = [
  "silent",
  "empty",
  "changed",
  "reordered",
  "shifted",
  "uncertified",
  "forged",
] as const;
export type LieName = (typeof lieNames)[number];

/** A bit, somewhere. */
export const changedChunk = (random: SeededRandom, chunk: SyncChunk): SyncChunk => {
  const bytes = schema.encode(syncChunk, chunk);
  // What does not decode never comes to the machine.
  for (let tries = 0; tries < 20; tries++) {
    const copy = Uint8Array.from(bytes);
    const at = random.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    const decoded = schema.decode(syncChunk, copy);
    if (decoded.ok) return decoded.value;
  }
  return { ...chunk, blocks: chunk.blocks.slice(1) };
};

const withPayload = ({ header, justify }: ConsensusBlock): ConsensusBlock => ({
  header: { ...header, payloadRoot: header.parent },
  justify,
});

/** Undefined: no answer. An honest answer with nothing in it leaves nothing to lie about. */
export const lied = (
  name: LieName,
  random: SeededRandom,
  chunk: SyncChunk,
): SyncChunk | undefined => {
  if (name === "silent") return undefined;
  if (chunk.blocks.length === 0) return chunk;
  switch (name) {
    case "empty":
      return { blocks: [] };
    case "changed":
      return changedChunk(random, chunk);
    case "reordered":
      return { ...chunk, blocks: chunk.blocks.toReversed() };
    case "shifted":
      return { ...chunk, blocks: chunk.blocks.slice(1) };
    case "uncertified":
      return { blocks: chunk.blocks };
    case "forged":
      return { ...chunk, blocks: chunk.blocks.map(withPayload) };
  }
};
