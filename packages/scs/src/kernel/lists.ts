/**
 * Snapshots of an index: the levels and lists of its nodes, without their vectors. As the graph stood
 * when the batch of its newest nodes began, since what they look for must be looked for there; those
 * are added anew.
 *
 * Encoding: version u8 = 1, nodes u32, then a level u8 for each; then for every node and layer a count
 * u8 and its neighbours as rising LEB128 differences, as in `specs/scs/mhnsw.md`, section 8. Any bytes
 * are decoded to lists that a graph can have, or refused, in time that goes by their number.
 */
import { assert, err, ok, type Rejection, type Result } from "@ioi/base";
import { mhnsw } from "@ioi/state";

export type SnapshotError = Rejection<"E_SCS_INDEX">;

const version = 1;
const headBytes = 5;

export const encodeLists = (
  nodes: number,
  levelOf: (id: number) => number,
  listOf: (id: number, layer: number) => Int32Array,
): Uint8Array => {
  let out = new Uint8Array(headBytes + nodes * 64 + 4096);
  new DataView(out.buffer).setUint32(1, nodes, true);
  out[0] = version;
  for (let id = 0; id < nodes; id++) out[headBytes + id] = levelOf(id);
  let at = headBytes + nodes;
  for (let id = 0; id < nodes; id++) {
    // A node's lists, at their longest, take less.
    if (at + 4096 > out.length) {
      const longer = new Uint8Array(2 * out.length);
      longer.set(out);
      out = longer;
    }
    for (let layer = 0; layer <= levelOf(id); layer++) {
      const list = listOf(id, layer);
      out[at++] = list.length;
      let next = 0;
      for (const other of list) {
        let rest = other - next;
        for (; rest > 127; rest >>= 7) out[at++] = (rest & 127) | 128;
        out[at++] = rest;
        next = other + 1;
      }
    }
  }
  return out.slice(0, at);
};

class Malformed extends Error {}

const check: (holds: boolean, what: string) => asserts holds = (holds, what) => {
  if (!holds) throw new Malformed(what);
};

export interface Snapshot {
  readonly nodes: number;
  readonly levels: Uint8Array;
  /** Numbers of nodes above the bottom, counted once a layer. */
  readonly above: number;
}

const readHead = (bytes: Uint8Array, nodesMax: number): Snapshot => {
  check(bytes.length >= headBytes && bytes[0] === version, "it has another version");
  const nodes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true);
  check(nodes <= nodesMax && headBytes + 2 * nodes <= bytes.length, "it has another length");
  check(mhnsw.isBatchStart(nodes), "it ends within a batch");
  const levels = bytes.subarray(headBytes, headBytes + nodes);
  let above = 0;
  for (const level of levels) {
    check(level <= mhnsw.levelMax, "a level is out of range");
    above += level;
  }
  return { nodes, levels, above };
};

/** Reads every list and hands it on, after the whole of them was found well-formed. */
const readLists = (
  bytes: Uint8Array,
  { nodes, levels }: Snapshot,
  m: number,
  take: (id: number, layer: number, list: Int32Array, length: number) => void,
): void => {
  const list = new Int32Array(2 * m);
  let at = headBytes + nodes;
  for (let id = 0; id < nodes; id++) {
    const level = levels[id] as number;
    for (let layer = 0; layer <= level; layer++) {
      const length = bytes[at++];
      check(length !== undefined && length <= (layer === 0 ? 2 * m : m), "a list is too long");
      let next = 0;
      for (let i = 0; i < length; i++) {
        let [step, shift] = [0, 0];
        for (;;) {
          const byte = bytes[at++];
          check(byte !== undefined && shift < 28, "it is cut off");
          step |= (byte & 127) << shift;
          if (byte < 128) {
            check(byte !== 0 || shift === 0, "a number is not in its shortest form");
            break;
          }
          shift += 7;
        }
        const other = next + step;
        check(other < nodes && other !== id, "a neighbour is out of range");
        check((levels[other] as number) >= layer, "a neighbour is not on its layer");
        list[i] = other;
        next = other + 1;
      }
      take(id, layer, list, length);
    }
  }
  check(at === bytes.length, "bytes follow");
};

const guarded = <T>(run: () => T): Result<T, SnapshotError> => {
  try {
    return ok(run());
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return err({ code: "E_SCS_INDEX", message: `a snapshot of the index: ${error.message}` });
  }
};

export const checkSnapshot = (
  bytes: Uint8Array,
  m: number,
  nodesMax: number,
  aboveMax: number,
): Result<Snapshot, SnapshotError> =>
  guarded(() => {
    const snapshot = readHead(bytes, nodesMax);
    check(snapshot.above <= aboveMax, "too many nodes stand above the bottom");
    readLists(bytes, snapshot, m, () => {});
    return snapshot;
  });

/** Of what `checkSnapshot` found well-formed. */
export const eachList = (
  bytes: Uint8Array,
  snapshot: Snapshot,
  m: number,
  take: (id: number, layer: number, list: Int32Array, length: number) => void,
): void => {
  const read = guarded(() => readLists(bytes, snapshot, m, take));
  assert(read.ok, "a snapshot that was checked");
};
