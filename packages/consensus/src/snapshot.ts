/**
 * Taking over a state in parts, from peers of which any number may lie: the state after a block whose root a
 * committed header names. Specification: specs/consensus, Y5 to Y7. Sans-IO: one question is out at a time.
 *
 * What the parts are is the tree's to say (`SnapshotTree`): a manifest lists a hash for each, and is held
 * against the root; a part is held against its hash by itself. So a wrong answer is known at once, and what
 * was taken stays taken: a start with the same manifest goes on where the last one ended.
 *
 * Invariants: every part comes out once, and none that is wrong; a peer whose answer is wrong is not asked
 * again; one honest peer that has the state suffices. Bounds: `snapshotPartsMax` parts of
 * `snapshotPartBytesMax`, `syncPeersMax` peers.
 */
import { assert, equalBytes, Lru, type Rejection, type Result } from "@ioi/base";
import {
  snapshotManifestBytesMax,
  snapshotPartBytesMax,
  snapshotPartsMax,
  syncAnswerMs,
  syncBannedMax,
  syncPeersMax,
} from "./limits.ts";

export type SnapshotError = Rejection<"E_CONSENSUS_SNAPSHOT">;

/**
 * Checks that a test may take out, to see what they are for; the first one is the tree's.
 */
export type SnapshotRule = "Y5-root" | "Y6-hash";

/** How a state is cut into parts, each tree in its own way. Total on hostile bytes. */
export interface SnapshotTree {
  /** The hash of each part, if the manifest is that of a state with this root. */
  partsOf(root: Uint8Array, manifest: Uint8Array): Result<readonly Uint8Array[], Rejection>;
  /** The bytes are the whole of that part. */
  holds(index: number, hash: Uint8Array, bytes: Uint8Array): Result<true, Rejection>;
}

export interface SnapshotTarget {
  readonly height: bigint;
  /** As a committed header names it. */
  readonly root: Uint8Array;
}

/** What was taken before, and is durable. */
export interface SnapshotKept {
  readonly manifest: Uint8Array;
  /** Numbers of the parts that are here; they were held against the manifest when they came. */
  readonly parts: ReadonlySet<number>;
}

export type SnapshotInput =
  | { readonly type: "peer"; readonly peer: number }
  | { readonly type: "gone"; readonly peer: number }
  /** To the question for the manifest, or for a part; without bytes: the peer does not have it. */
  | {
      readonly type: "answer";
      readonly peer: number;
      readonly part: number | undefined;
      readonly bytes: Uint8Array | undefined;
    }
  | { readonly type: "tick" };

export type SnapshotEffect =
  /** For the manifest, or for a part. */
  | { readonly type: "ask"; readonly peer: number; readonly part: number | undefined }
  | { readonly type: "manifest"; readonly bytes: Uint8Array }
  | { readonly type: "part"; readonly index: number; readonly bytes: Uint8Array }
  | { readonly type: "banned"; readonly peer: number; readonly error: Rejection }
  /** All parts came out. */
  | { readonly type: "done" }
  /** Nobody is left who has it. It goes on with the next peer. */
  | { readonly type: "failed"; readonly error: SnapshotError };

interface Question {
  readonly peer: number;
  readonly part: number | undefined;
  readonly untilMs: number;
}

interface Manifest {
  readonly hashes: readonly Uint8Array[];
  readonly missing: Set<number>;
}

export class Snapshot {
  readonly #tree: SnapshotTree;
  readonly #target: SnapshotTarget;
  readonly #without: Pick<ReadonlySet<SnapshotRule>, "has">;
  /** Those that may be asked, who waited longest first; silent ones go to the end. */
  readonly #peers: number[] = [];
  /** How often each was silent in a row, or did not have it. */
  readonly #misses = new Map<number, number>();
  readonly #banned = new Lru<number, true>(syncBannedMax);
  #manifest: Manifest | undefined;
  #question: Question | undefined;
  #isIdle = false;
  #effects: SnapshotEffect[] = [];

  /** `kept`: what is left of an earlier attempt at the same target. */
  constructor(
    tree: SnapshotTree,
    target: SnapshotTarget,
    kept?: SnapshotKept,
    without: Pick<ReadonlySet<SnapshotRule>, "has"> = new Set(),
  ) {
    this.#tree = tree;
    this.#target = target;
    this.#without = without;
    const hashes = kept === undefined ? undefined : this.#hashesOf(kept.manifest);
    if (kept !== undefined && hashes?.ok === true) this.#begin(hashes.value, kept.parts);
  }

  get target(): SnapshotTarget {
    return this.#target;
  }

  get isDone(): boolean {
    return this.#manifest?.missing.size === 0;
  }

  deadline(): number | undefined {
    return this.#question?.untilMs;
  }

  handle(input: SnapshotInput, nowMs: number): readonly SnapshotEffect[] {
    switch (input.type) {
      case "peer":
        this.#meet(input.peer);
        break;
      case "gone":
        this.#leave(input.peer);
        break;
      case "answer":
        this.#answered(input);
        break;
      case "tick": {
        const question = this.#question;
        if (question !== undefined && nowMs >= question.untilMs) this.#missed(question.peer);
      }
    }
    this.#askNext(nowMs);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #begin(hashes: readonly Uint8Array[], kept: ReadonlySet<number>): void {
    const missing = hashes.flatMap((_, index) => (kept.has(index) ? [] : [index]));
    this.#manifest = { hashes, missing: new Set(missing) };
  }

  #hashesOf(manifest: Uint8Array): Result<readonly Uint8Array[], Rejection> {
    if (manifest.length > snapshotManifestBytesMax) return refuse("Y5: the manifest is too long");
    const hashes = this.#tree.partsOf(this.#target.root, manifest);
    if (hashes.ok && hashes.value.length > snapshotPartsMax) return refuse("Y5: too many parts");
    return hashes;
  }

  #meet(peer: number): void {
    this.#misses.delete(peer);
    if (!this.#banned.has(peer) && !this.#peers.includes(peer)) {
      if (this.#peers.length >= syncPeersMax) return;
      this.#peers.push(peer);
    }
    this.#isIdle = false;
  }

  #leave(peer: number): void {
    const at = this.#peers.indexOf(peer);
    if (at >= 0) this.#peers.splice(at, 1);
    this.#misses.delete(peer);
    if (this.#question?.peer === peer) this.#question = undefined;
  }

  /** Y7. Who misses twice in a row is left out until it says that it is there again. */
  #missed(peer: number): void {
    this.#question = undefined;
    this.#misses.set(peer, (this.#misses.get(peer) ?? 0) + 1);
    const at = this.#peers.indexOf(peer);
    assert(at >= 0, "who is asked is a peer");
    this.#peers.splice(at, 1);
    this.#peers.push(peer);
  }

  #answered({ peer, part, bytes }: Extract<SnapshotInput, { type: "answer" }>): void {
    const question = this.#question;
    if (question?.peer !== peer || question.part !== part) return;
    if (bytes === undefined) {
      this.#missed(peer);
      return;
    }
    this.#question = undefined;
    const taken = part === undefined ? this.#takeManifest(bytes) : this.#takePart(part, bytes);
    if (taken.ok) {
      this.#misses.delete(peer);
      return;
    }
    this.#leave(peer);
    this.#banned.set(peer, true);
    this.#effects.push({ type: "banned", peer, error: taken.error });
  }

  #takeManifest(bytes: Uint8Array): Result<true, Rejection> {
    const hashes = this.#hashesOf(bytes);
    if (!hashes.ok) return hashes;
    this.#begin(hashes.value, new Set());
    this.#effects.push({ type: "manifest", bytes });
    if (this.isDone) this.#effects.push({ type: "done" });
    return { ok: true, value: true };
  }

  #takePart(index: number, bytes: Uint8Array): Result<true, Rejection> {
    const hash = this.#manifest?.hashes[index];
    assert(this.#manifest !== undefined && hash !== undefined, "a part of the manifest");
    if (bytes.length > snapshotPartBytesMax) return refuse("Y6: the part is too long");
    const held = this.#tree.holds(index, hash, bytes);
    if (!held.ok && !this.#without.has("Y6-hash")) return held;
    this.#manifest.missing.delete(index);
    this.#effects.push({ type: "part", index, bytes });
    if (this.isDone) this.#effects.push({ type: "done" });
    return { ok: true, value: true };
  }

  #askNext(nowMs: number): void {
    if (this.#question !== undefined || this.#isIdle || this.isDone) return;
    const peer = this.#peers.find((each) => (this.#misses.get(each) ?? 0) < 2);
    if (peer !== undefined) {
      const [part] = this.#manifest?.missing ?? [];
      this.#question = { peer, part, untilMs: nowMs + syncAnswerMs };
      this.#effects.push({ type: "ask", peer, part });
    } else if (this.#peers.length + this.#banned.size > 0) {
      this.#isIdle = true;
      const message = `Y7: ${this.#banned.size} peers answered wrongly, ${this.#peers.length} do not have the state at height ${this.#target.height}`;
      this.#effects.push({ type: "failed", error: { code: "E_CONSENSUS_SNAPSHOT", message } });
    }
  }
}

const refuse = (message: string): Result<never, SnapshotError> => ({
  ok: false,
  error: { code: "E_CONSENSUS_SNAPSHOT", message },
});

/** A part that is what its hash says, where the hash is that of its bytes. */
export const holdsHash = (
  hashOf: (bytes: Uint8Array) => Uint8Array,
  hash: Uint8Array,
  bytes: Uint8Array,
): Result<true, SnapshotError> =>
  equalBytes(hashOf(bytes), hash) ? { ok: true, value: true } : refuse("Y6: another part");
