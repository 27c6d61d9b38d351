/** Taking over a state in parts, of the tree that real chains have, from peers most of which lie. */
import { assert, ok, type Rejection, SeededRandom, toHex, utf8Encode } from "@ioi/base";
import { Snapshot, type SnapshotEffect, snapshotPartBytesMax } from "@ioi/consensus";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  jellyfish,
  jellyfishCut,
  jellyfishPartEntries,
  jellyfishParts,
  MemoryStore,
} from "@ioi/state";

export const partLies = [
  "silent",
  "absent",
  "changed",
  "another-part",
  "foreign",
  "endless",
  "turncoat",
] as const;
export type PartLie = (typeof partLies)[number] | "honest";

const depth = 6;
const height = 640n;

export class CutState {
  readonly root: Uint8Array;
  readonly manifest: Uint8Array;
  readonly parts: readonly Uint8Array[];

  constructor(name: string, entries: number) {
    const tree = jellyfish.open(new MemoryStore(), nodeCrypto);
    for (let i = 0; i < entries; i++) {
      tree.set(utf8Encode(`account ${i}`), utf8Encode(`${name} ${i}`));
    }
    this.root = tree.commit(height);
    const view = tree.at(height);
    assert(view.ok, "it was committed");
    ({ manifest: this.manifest, parts: this.parts } = jellyfishCut(nodeCrypto, depth, view.value));
  }

  bytes(part: number | undefined): Uint8Array | undefined {
    return part === undefined ? this.manifest : this.parts[part];
  }
}

/** `never`: no answer at all. */
const answerOf = (
  lie: PartLie,
  random: SeededRandom,
  real: CutState,
  other: CutState,
  part: number | undefined,
): Uint8Array | "never" | undefined => {
  const bytes = real.bytes(part);
  assert(bytes !== undefined, "a part that is asked for exists");
  switch (lie) {
    case "honest":
      return bytes;
    case "silent":
      return "never";
    case "absent":
      return undefined;
    case "changed": {
      const at = random.below(bytes.length);
      return bytes.with(at, (bytes[at] ?? 0) ^ (1 << random.below(8)));
    }
    case "another-part":
      return real.bytes(((part ?? 0) + 1) % real.parts.length);
    case "foreign":
      return other.bytes(part);
    case "endless":
      return new Uint8Array(snapshotPartBytesMax + 1);
    case "turncoat":
      return (part ?? 0) < 20 ? bytes : other.bytes(part);
  }
};

export interface TakenState {
  /** What the parts that came out make. */
  readonly root: string;
  readonly parts: number;
  readonly wrong: number;
  readonly banned: readonly number[];
  readonly errors: readonly Rejection[];
  readonly end: "done" | "failed" | "none";
  /** Parts that came out, for a second start. */
  readonly kept: ReadonlyMap<number, Uint8Array>;
  readonly questions: number;
}

/**
 * `stopAfter`: parts after which the node stops, as in a crash; `before`: what it has from then;
 * `isGullible`: it holds no part against its hash, for the control.
 */
export const takeState = (
  seed: string,
  real: CutState,
  other: CutState,
  lies: readonly PartLie[],
  {
    stopAfter = Number.POSITIVE_INFINITY,
    before,
    isGullible = false,
  }: { stopAfter?: number; before?: TakenState; isGullible?: boolean } = {},
): TakenState => {
  const random = new SeededRandom(`parts ${seed}`);
  const kept = new Map(before?.kept);
  const tree = jellyfishParts(nodeCrypto, depth);
  const node = new Snapshot(
    isGullible ? { ...tree, holds: () => ok(true) } : tree,
    { height, root: real.root },
    before === undefined ? undefined : { manifest: real.manifest, parts: new Set(kept.keys()) },
  );
  const banned: number[] = [];
  const errors: Rejection[] = [];
  let [nowMs, parts, wrong, questions] = [0, 0, 0, 0];
  let end: TakenState["end"] = "none";
  const waiting: SnapshotEffect[] = [];
  for (const peer of lies.keys()) waiting.push(...node.handle({ type: "peer", peer }, nowMs));
  for (let effect = waiting.shift(); effect !== undefined; effect = waiting.shift()) {
    if (effect.type === "part") {
      parts += 1;
      const isReal = toHex(effect.bytes) === toHex(real.parts[effect.index] ?? new Uint8Array());
      if (!isReal) wrong += 1;
      kept.set(effect.index, effect.bytes);
      if (parts >= stopAfter) break;
    }
    if (effect.type === "banned") {
      banned.push(effect.peer);
      errors.push(effect.error);
    }
    if (effect.type === "done" || effect.type === "failed") end = effect.type;
    if (effect.type !== "ask") continue;
    questions += 1;
    const { peer, part } = effect;
    const bytes = answerOf(lies[peer] ?? "silent", random, real, other, part);
    nowMs = bytes === "never" ? (node.deadline() ?? nowMs) : nowMs + 20;
    const input =
      bytes === "never"
        ? ({ type: "tick" } as const)
        : { type: "answer" as const, peer, part, bytes };
    waiting.push(...node.handle(input, nowMs));
  }
  const whole = jellyfish.open(new MemoryStore(), nodeCrypto);
  for (const bytes of kept.values()) {
    for (const { key, value } of jellyfishPartEntries(bytes)) whole.set(key, value);
  }
  const root = toHex(whole.commit(height));
  return { root, parts, wrong, banned, errors, end, kept, questions };
};
