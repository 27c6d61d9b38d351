/** The program `ioi`. Signals become exit codes; a second one ends it at once. */
import { runCli } from "./cli.ts";
import { nodeIo } from "./io.ts";
import { SignalExit } from "./report.ts";

const controller = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    const reason = new SignalExit(name);
    if (controller.signal.aborted) process.exit(reason.exit);
    controller.abort(reason);
  });
}
// A reader that went away (`| head`) ends the output, not the command.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

const exit = await runCli(process.argv.slice(2), nodeIo(), controller.signal);
// A pipe takes what it can hold; the rest must leave before the process does.
const written = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.destroyed) resolve();
    else stream.write("", () => resolve());
  });
await Promise.all([written(process.stdout), written(process.stderr)]);
process.exit(exit);
