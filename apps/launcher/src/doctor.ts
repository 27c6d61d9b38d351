/**
 * The self-test for a page that cannot build sandboxes: `ioi doctor --json` as a child of the
 * launcher. One runs at a time, whoever asks; what it says is bounded.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { OperationError } from "@ioi/base";
import { doctorBytesMax, doctorMs } from "./limits.ts";

const cli = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));

const isReport = (text: string): boolean => {
  try {
    return (JSON.parse(text) as { readonly schema?: unknown }).schema === "ioi.doctor/1";
  } catch {
    return false;
  }
};

const runDoctor = (dataFolder: string): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", cli, "doctor", "--json", "--data", dataFolder],
      { maxBuffer: doctorBytesMax, timeout: doctorMs, killSignal: "SIGKILL", cwd: "/" },
      (error, stdout) => {
        // What was found wrong (6) and what is not there (7) are answers too.
        if (isReport(stdout)) resolve(stdout.trim());
        else {
          const message = "the self-test did not end with a report";
          reject(new OperationError("E_DOCTOR_FAILED", message, { cause: error }));
        }
      },
    );
  });

/** Asked again while it runs, it answers with the same report. */
export const doctorOf = (dataFolder: string): (() => Promise<string>) => {
  let running: Promise<string> | undefined;
  return () =>
    (running ??= runDoctor(dataFolder).finally(() => {
      running = undefined;
    }));
};
