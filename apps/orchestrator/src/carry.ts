/**
 * Carrying: frames of the Workload to the Guardian and back. TLS bytes pass unread, between Workload
 * and here through shared memory where they are many; a notice gets its number; a checkpoint goes to
 * the chain.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import type { Planes } from "@ioi/host/dataplane";
import { type Client, type Implementation, implement, MessageQueue } from "@ioi/host/rpc";
import { counter, gauge } from "@ioi/host/process";
import { pb } from "@ioi/wire";
import type { Commitments } from "./commitments.ts";

type Frame = MessageInitShape<typeof pb.CarryFrameSchema>;

export interface CarryOptions {
  readonly guardian: Client<typeof pb.Carry>;
  readonly commitments: Commitments;
  /** Memory shared with the Workload. */
  readonly planes?: Planes;
  /** A checkpoint of the receipt log, as the signed note that it is. */
  readonly onCheckpoint: (note: Uint8Array) => void;
  readonly onCarrying: (carrying: boolean) => void;
  /** The log of numbers cannot be trusted to store anything more. */
  readonly onPoisoned: (error: OperationError) => void;
}

const numberOf = async (options: CarryOptions, notice: pb.Notice): Promise<bigint> => {
  try {
    return await options.commitments.number(notice);
  } catch (error) {
    if (error instanceof OperationError && error.code === "E_WAL_POISONED") {
      options.onPoisoned(error);
    }
    throw error;
  }
};

type Direction = "to-guardian" | "to-workload";

/** What large pieces come and go through, and how often. */
class Bulk {
  readonly #planes: Planes | undefined;
  readonly #messages = counter(
    "ioi_dataplane_messages_total",
    "Pieces between Workload and Orchestrator that went through shared memory.",
    ["direction"],
  );
  readonly #bytes = counter(
    "ioi_dataplane_bytes_total",
    "Bytes between Workload and Orchestrator that went through shared memory.",
    ["direction"],
  );
  readonly #open = gauge(
    "ioi_dataplane_open",
    "1 while memory is shared with the Workload, by direction.",
    ["direction"],
  );

  constructor(planes: Planes | undefined) {
    this.#planes = planes;
    for (const [direction, plane] of [
      ["to-guardian", planes?.in],
      ["to-workload", planes?.out],
    ] as const) {
      this.#messages.inc({ direction }, 0);
      this.#open.set({ direction }, plane === undefined ? 0 : 1);
      void plane?.closed.then(() => this.#open.set({ direction }, 0));
    }
  }

  #count(direction: Direction, bytes: number): void {
    this.#messages.inc({ direction });
    this.#bytes.inc({ direction }, bytes);
  }

  async take(announced: pb.Bulk): Promise<Uint8Array> {
    const plane = this.#planes?.in;
    if (plane === undefined) {
      throw new OperationError("E_DATAPLANE_CLOSED", "no memory is shared with the Workload");
    }
    const bytes = await plane.take(announced);
    this.#count("to-guardian", bytes.length);
    return bytes;
  }

  /** The frame for bytes to the Workload, and what to wait for before the next. */
  frameOf(bytes: Uint8Array): { readonly frame: Frame; readonly placed?: Promise<void> } {
    const bulk = this.#planes?.out?.put(bytes);
    if (bulk === undefined) return { frame: { frame: { case: "tls", value: bytes } } };
    this.#count("to-workload", bytes.length);
    return { frame: { frame: { case: "bulk", value: bulk.announced } }, placed: bulk.placed };
  }
}

export const carryService = (options: CarryOptions): Implementation => {
  const numbered = counter("ioi_proposals_numbered_total", "Commitments that got a number.");
  const carried = counter("ioi_carried_bytes_total", "Bytes carried, by direction.", ["direction"]);
  const bulk = new Bulk(options.planes);

  let carrying = 0;

  async function* numberedFrames(frames: AsyncIterable<pb.CarryFrame>): AsyncIterable<Frame> {
    for await (const { frame } of frames) {
      if (frame.case === "tls") {
        carried.inc({ direction: "to-guardian" }, frame.value.length);
        yield { frame };
      } else if (frame.case === "bulk") {
        const value = await bulk.take(frame.value);
        carried.inc({ direction: "to-guardian" }, value.length);
        yield { frame: { case: "tls", value } };
      } else if (frame.case === "notice") {
        const order = await numberOf(options, frame.value);
        numbered.inc();
        yield { frame: { case: "notice", value: { ...frame.value, order } } };
      }
    }
  }

  return implement(pb.Carry, {
    carry: async function* (frames, context) {
      const out = new MessageQueue<Frame>();
      const toGuardian = options.guardian.carry(numberedFrames(frames), {
        deadlineMs: Number.POSITIVE_INFINITY,
        signal: context.signal,
      });
      const receiving = (async () => {
        for await (const { frame } of toGuardian) {
          if (frame.case === "tls") {
            carried.inc({ direction: "to-workload" }, frame.value.length);
            const { frame: own, placed } = bulk.frameOf(frame.value);
            out.push(own);
            await placed;
          } else if (frame.case === "anchor") {
            // The chain judges it by its signature; what stands beside the note says nothing.
            options.onCheckpoint(frame.value.signature);
          }
        }
      })();
      receiving.then(
        () => out.finish(),
        (error: unknown) => out.fail(error),
      );
      // A Workload that connects anew may begin before its last call has ended.
      carrying++;
      options.onCarrying(true);
      try {
        yield* out;
      } finally {
        carrying--;
        options.onCarrying(carrying > 0);
      }
    },
  });
};
