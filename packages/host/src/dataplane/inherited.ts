/**
 * The two planes between Workload and Orchestrator: the launcher makes memory and bells before
 * either starts, each end takes up what it inherited. Where one cannot, the frames carry everything.
 */
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { type Log, OperationError } from "@ioi/base";
import { socketPair } from "../libc/index.ts";
import { type BulkOptions, BulkReceiver, BulkSender } from "./bulk.ts";
import { bulkSlots, planeSlotBytes } from "./limits.ts";
import { PlaneReader, PlaneWriter } from "./plane.ts";
import { SharedRegion } from "./region.ts";
import { type PlaneShape, regionBytes } from "./slots.ts";

export const bulkShape: PlaneShape = { slots: bulkSlots, slotBytes: planeSlotBytes };

/** Descriptors of one end, for the `stdio` of its process. */
export interface PlaneEnd {
  readonly outMemory: number;
  readonly outBell: number;
  readonly inMemory: number;
  readonly inBell: number;
}

/** One direction, as descriptors. */
interface Way {
  /** The same memory twice: each end closes what it was given. */
  readonly memory: readonly [number, number];
  readonly writes: number;
  readonly reads: number;
}

/** Both ends of both planes. Throws E_DATAPLANE_REGION or E_LIBC where the system refuses. */
export const makePlanes = (name: string): readonly [PlaneEnd, PlaneEnd] => {
  const bytes = regionBytes(bulkShape);
  const opened: number[] = [];
  const keep = (descriptor: number): number => {
    opened.push(descriptor);
    return descriptor;
  };
  try {
    const make = (): Way => {
      const memory = keep(SharedRegion.allocate(name, bytes));
      const [writes, reads] = socketPair();
      const again = keep(openSync(`/proc/self/fd/${memory}`, "r+"));
      return { memory: [memory, again], writes: keep(writes), reads: keep(reads) };
    };
    const [there, back] = [make(), make()];
    const end = (out: Way, into: Way): PlaneEnd => ({
      outMemory: out.memory[0],
      outBell: out.writes,
      inMemory: into.memory[1],
      inBell: into.reads,
    });
    return [end(there, back), end(back, there)];
  } catch (error) {
    for (const descriptor of opened) closeSync(descriptor);
    throw error;
  }
};

export interface Planes {
  readonly out: BulkSender | undefined;
  readonly in: BulkReceiver | undefined;
}

/** What was inherited, or nothing where it cannot be used; `socketOf` takes a descriptor over. */
export const takePlanes = (
  end: PlaneEnd | undefined,
  socketOf: (descriptor: number) => Socket,
  log: Log,
  bulk: BulkOptions = {},
): Planes => {
  if (end === undefined) return { out: undefined, in: undefined };
  const [outBell, inBell] = [socketOf(end.outBell), socketOf(end.inBell)];
  try {
    const bytes = regionBytes(bulkShape);
    const options = { kind: { type: "checked" }, shape: bulkShape } as const;
    const out = SharedRegion.open(end.outMemory, bytes);
    const into = SharedRegion.open(end.inMemory, bytes);
    const ends = {
      out: new BulkSender(new PlaneWriter({ ...options, region: out, bell: outBell }), bulk),
      in: new BulkReceiver(new PlaneReader({ ...options, region: into, bell: inBell }), bulk),
    };
    for (const { closed } of [ends.out, ends.in]) {
      void closed.then(() => log.log("warn", "dataplane.closed"));
    }
    return ends;
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    outBell.destroy();
    inBell.destroy();
    log.log("warn", "dataplane.unavailable", { code: error.code, message: error.message });
    return { out: undefined, in: undefined };
  }
};
