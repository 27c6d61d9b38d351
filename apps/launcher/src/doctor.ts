/**
 * The self-test for a page that cannot build sandboxes: `ioi doctor --json` as a child of the
 * launcher. One runs at a time, whoever asks; what it says is bounded, and the last report is kept for
 * this kernel's life.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { OperationError } from "@ioi/base";
import { testedKinds } from "@ioi/host/sandbox";
import { doctorBytesMax, doctorMs, doctorStepCharsMax } from "./limits.ts";

const cli = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));

const isReport = (text: string): boolean => {
  try {
    return (JSON.parse(text) as { readonly schema?: unknown }).schema === "ioi.doctor/1";
  } catch {
    return false;
  }
};

const runDoctor = (dataFolder: string, onStep: (step: string) => void): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = execFile(
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
    // One line for each sandbox that it tries to get out of.
    let rest = "";
    child.stderr?.on("data", (text: string) => {
      const lines = `${rest}${text}`.split("\n");
      rest = (lines.pop() ?? "").slice(-doctorStepCharsMax);
      for (const line of lines) onStep(line.slice(0, doctorStepCharsMax).toWellFormed());
    });
  });

export interface SelfTestStatus {
  readonly running: boolean;
  readonly step: string;
  readonly done: number;
  readonly total: number;
  readonly startedMs: bigint;
  readonly json: string;
  readonly measuredMs: bigint;
  readonly tookMs: number;
}

export class SelfTests {
  readonly #dataFolder: string;
  #running: Promise<string> | undefined;
  #steps = 0;
  #step = "";
  #startedMs = 0;
  #last = { json: "", measuredMs: 0, tookMs: 0 };

  constructor(dataFolder: string) {
    this.#dataFolder = dataFolder;
  }

  /** Asked again while it runs, it answers with the same report. */
  run(): Promise<string> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<string> {
    this.#steps = 0;
    this.#step = "";
    this.#startedMs = Date.now();
    const json = await runDoctor(this.#dataFolder, (step) => {
      this.#steps++;
      this.#step = step;
    });
    const measuredMs = Date.now();
    this.#last = { json, measuredMs, tookMs: measuredMs - this.#startedMs };
    return json;
  }

  status(): SelfTestStatus {
    const running = this.#running !== undefined;
    const { json, measuredMs, tookMs } = this.#last;
    const total = testedKinds.length;
    return {
      running,
      step: this.#step,
      // The step that was said last is under way.
      done: Math.min(total, Math.max(0, this.#steps - 1)),
      total,
      startedMs: BigInt(running ? this.#startedMs : 0),
      json,
      measuredMs: BigInt(measuredMs),
      tookMs: Math.max(0, tookMs),
    };
  }
}
