/**
 * Carrying: frames of the Workload to the Guardian and back. TLS bytes pass unread; a notice gets
 * its number; a checkpoint goes to the chain.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import { type Client, type Implementation, implement, MessageQueue } from "@ioi/host/rpc";
import { counter } from "@ioi/host/process";
import { pb } from "@ioi/wire";
import type { Commitments } from "./commitments.ts";

type Frame = MessageInitShape<typeof pb.CarryFrameSchema>;

export interface CarryOptions {
  readonly guardian: Client<typeof pb.Carry>;
  readonly commitments: Commitments;
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

export const carryService = (options: CarryOptions): Implementation => {
  const numbered = counter("ioi_proposals_numbered_total", "Commitments that got a number.");
  const carried = counter("ioi_carried_bytes_total", "Bytes carried, by direction.", ["direction"]);

  let carrying = 0;

  async function* numberedFrames(frames: AsyncIterable<pb.CarryFrame>): AsyncIterable<Frame> {
    for await (const { frame } of frames) {
      if (frame.case === "tls") {
        carried.inc({ direction: "to-guardian" }, frame.value.length);
        yield { frame };
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
            out.push({ frame });
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
