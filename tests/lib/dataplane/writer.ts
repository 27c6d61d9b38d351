/**
 * The writing process of `bench dataplane`: messages of 64 KiB as fast as they are taken, numbered
 * in their first bytes. Arguments: how, the key or the address, how many.
 */
import net from "node:net";
import * as grpc from "@grpc/grpc-js";
import { OperationError } from "@ioi/base";
import { type PlaneKind, PlaneWriter, regionBytes, SharedRegion } from "@ioi/host/dataplane";
import { grpcPath, messageBytes, planeOf } from "./shape.ts";

const [how = "", detail = "", count = ""] = process.argv.slice(2);
const messages = Number(count);
const message = Buffer.alloc(messageBytes, 0x5a);

const throughPlane = async (kind: PlaneKind): Promise<void> => {
  const region = SharedRegion.open(4, regionBytes(planeOf));
  const bell = new net.Socket({ fd: 3, readable: true, writable: true });
  const writer = new PlaneWriter({ region, bell, kind, shape: planeOf });
  for (let i = 0; i < messages; i++) {
    message.writeUInt32LE(i, 0);
    await writer.send(message);
  }
  await writer.closed;
};

const throughGrpc = async (address: string): Promise<void> => {
  const bytes = (value: Buffer): Buffer => value;
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const done = Promise.withResolvers<void>();
  const call = client.makeClientStreamRequest(grpcPath, bytes, bytes, (error) =>
    error ? done.reject(error) : done.resolve(),
  );
  for (let i = 0; i < messages; i++) {
    message.writeUInt32LE(i, 0);
    // It keeps what it is given until that is sent.
    if (!call.write(Buffer.from(message)))
      await new Promise((resolve) => call.once("drain", resolve));
  }
  call.end();
  await done.promise;
  client.close();
};

if (how === "grpc") await throughGrpc(detail);
else if (how === "sealed") await throughPlane({ type: "sealed", key: Buffer.from(detail, "hex") });
else if (how === "raw" || how === "checked") await throughPlane({ type: how });
else throw new OperationError("E_TEST", `no way ${how}`);
process.exit(0);
