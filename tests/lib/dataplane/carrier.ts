/**
 * The carrying process of `bench dataplane`: a call of `Carry`, as between Workload and Orchestrator,
 * over the socket on descriptor 3; each piece goes as a frame or through shared memory, and the next
 * when the other end has said that it is there. Arguments: how, the sizes, how many of each.
 */
import { connect, client, MessageQueue } from "@ioi/host/rpc";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Log, OperationError } from "@ioi/base";
import { takePlanes } from "@ioi/host/dataplane";
import { descriptors, inheritedSocket } from "@ioi/host/process";
import { pb } from "@ioi/wire";

const [how = "", sizes = "", count = ""] = process.argv.slice(2);
const log: Log = { log: () => undefined, child: () => log };
const planes = how === "memory" ? descriptors : undefined;
const { out } = takePlanes(planes, inheritedSocket, log, { bytesMin: 1 });
const frames = new MessageQueue<MessageInitShape<typeof pb.CarryFrameSchema>>();
const channel = connect(inheritedSocket(3));
const replies = client(pb.Carry, channel).carry(frames, { deadlineMs: Number.POSITIVE_INFINITY });
const pieces = sizes.split(",").map((size) => Buffer.alloc(Number(size), 0x5a));
let sent = 0;

const send = (): void => {
  const piece = pieces[Math.floor(sent / Number(count))] as Buffer;
  piece.writeUInt32LE(sent++, 0);
  const bulk = out?.put(piece);
  frames.push({
    frame:
      bulk === undefined ? { case: "tls", value: piece } : { case: "bulk", value: bulk.announced },
  });
};

send();
for await (const { frame } of replies) {
  if (frame.case !== "tls") throw new OperationError("E_TEST", `a frame ${frame.case}`);
  if (sent === pieces.length * Number(count)) break;
  send();
}
process.exit(0);
