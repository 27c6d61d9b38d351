/** The program `ioi`. Signals become exit codes; a second one ends it at once. */
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { nodeIo } from "./io.ts";

// Types are stripped and code is compiled once for each version of a file.
enableCompileCache(join(import.meta.dirname, "../../../.cache/compile"));

const { runCli } = await import("./cli.ts");
const { SignalExit } = await import("./report.ts");

// What Node says of experimental parts is about how this is built, not for whom it runs.
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (warning.name !== "ExperimentalWarning") process.stderr.write(`${String(warning)}\n`);
});

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
process.exit(exit);
