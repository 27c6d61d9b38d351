/**
 * The Guardian's end of the carried channel: frames in, TLS with the Workload inside, numbered
 * commitments beside. The Orchestrator is trusted with order and delivery, nothing else.
 */
import { type Log, OperationError } from "@ioi/base";
import type { Gate } from "@ioi/guardian";
import { type Credentials, wrapServer } from "@ioi/host/crypto";
import { type Implementation, implement, MessageQueue, serve, Tunnel } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Anchors } from "./anchors.ts";

type Frame = MessageInitShape<typeof pb.CarryFrameSchema>;

export interface CarryOptions {
  readonly credentials: Credentials;
  readonly gate: Gate;
  /** What the Workload may call inside the tunnel. */
  readonly service: Implementation;
  readonly anchors: Anchors;
  readonly log: Log;
  readonly onBug: (error: unknown) => void;
}

const anchorFrame = (size: number, root: Uint8Array, note: string): Frame => ({
  frame: {
    case: "anchor",
    value: { size: BigInt(size), root, signature: new Uint8Array(Buffer.from(note)) },
  },
});

export const carryService = (options: CarryOptions): Implementation =>
  implement(pb.Carry, {
    carry: async function* (frames, context) {
      const out = new MessageQueue<Frame>();
      const tunnel = new Tunnel((bytes) => out.push({ frame: { case: "tls", value: bytes } }));
      const stopAnchors = options.anchors.onCheckpoint(({ size, root, note }) =>
        out.push(anchorFrame(size, root, note)),
      );
      const end = (): void => {
        stopAnchors();
        tunnel.finish();
        out.finish();
      };
      wrapServer(tunnel, { credentials: options.credentials, peer: "workload" }).then(
        (socket) => {
          const served = serve(socket, [options.service], {
            peer: "workload",
            onBug: options.onBug,
          });
          // Bytes that break the session inside end the carrying: the Workload begins anew.
          void served.closed.then(end);
        },
        (error: unknown) => {
          const code = error instanceof OperationError ? error.code : "bug";
          options.log.log("error", "guardian.tunnel-refused", { code });
          out.finish();
        },
      );
      const receiving = (async () => {
        for await (const { frame } of frames) {
          if (frame.case === "tls") tunnel.receive(frame.value);
          else if (frame.case === "notice") options.gate.notice(frame.value);
        }
      })();
      receiving.then(end, end);
      context.signal.addEventListener("abort", end, { once: true });
      yield* out;
    },
  });
