/** Waiting for a stream that is full. */
import type { Duplex } from "node:stream";

/** Resolves when a stream takes more, or has ended. */
export const drained = (stream: Duplex): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
