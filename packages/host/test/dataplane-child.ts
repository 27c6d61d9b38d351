/**
 * The other process of the data plane's tests: `write` or `read`, over the region on descriptor 4
 * with the bell on 3. Says one line of JSON at its end, or is killed before.
 */
import net from "node:net";
import {
  type PlaneKind,
  PlaneReader,
  PlaneWriter,
  regionBytes,
  SharedRegion,
} from "@ioi/host/dataplane";

interface Task {
  readonly mode: "write" | "read";
  readonly kind: "raw" | "checked" | "sealed";
  readonly key: string;
  readonly shape: { readonly slots: number; readonly slotBytes: number };
  readonly messages: number;
  readonly bytes: number;
}

const task = JSON.parse(process.argv[2] ?? "") as Task;
const kind: PlaneKind =
  task.kind === "sealed"
    ? { type: "sealed", key: Buffer.from(task.key, "hex") }
    : { type: task.kind };
const region = SharedRegion.open(4, regionBytes(task.shape));
const bell = new net.Socket({ fd: 3, readable: true, writable: true });
const options = { region, bell, kind, shape: task.shape };

const write = async (): Promise<void> => {
  const writer = new PlaneWriter(options);
  const message = new Uint8Array(task.bytes);
  for (let i = 0; i < task.messages; i++) {
    message.fill(i & 0xff);
    await writer.send(message);
  }
  await writer.closed;
};

const read = async (): Promise<void> => {
  const reader = new PlaneReader(options);
  for (let i = 0; i < task.messages; i++) await reader.receive();
  process.stdout.write(`${JSON.stringify({ read: task.messages })}\n`);
};

await (task.mode === "write" ? write() : read()).catch((error: { readonly code?: string }) => {
  process.stdout.write(`${JSON.stringify({ code: error.code })}\n`);
});
process.exit(0);
