/** `ioi receipts memory`: what the Guardian vouches for of the memory file. */
import { exitCodes, toHex } from "@ioi/base";
import type { Handler } from "../context.ts";
import { openKernel, retrying } from "../kernel/connection.ts";
import { requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { isoTime } from "../times.ts";

/** A C2SP note on standard output, so that it can be kept beside a proof. */
export const checkpoint: Handler<object> = async (context) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { note, store, commit, size, root, indexRoot, atMs } = await retrying(kernel, async () =>
    (await kernel.person()).memoryCheckpoint({}, { deadlineMs: callDeadlineMs }),
  );
  const { output, io } = context;
  output.value({
    schema: "ioi.memory-checkpoint/1",
    store: toHex(store),
    commit: Number(commit),
    size: Number(size),
    root: toHex(root),
    indexRoot: indexRoot.length === 0 ? null : toHex(indexRoot),
    at: isoTime(atMs),
    note,
  });
  if (!output.json) io.out(note);
  return exitCodes.done;
};
