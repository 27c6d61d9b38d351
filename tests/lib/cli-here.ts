/**
 * The command line in this process: what a case says of an answer, and not of the process that gave
 * it, needs no start of one, which takes half a second of a core each time.
 */
import os from "node:os";
import { OperationError } from "@ioi/base";
import { runCli } from "@ioi/app-cli/run";
import type { Io } from "@ioi/app-cli/io";
import type { CliOptions, CliResult } from "./kernel.ts";

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** `ioi ARGS` as {@link import("./kernel.ts").ioi} runs it, without a terminal. */
export const ioiHere = async (
  args: readonly string[],
  { cwd = os.tmpdir(), env, input = "", timeoutMs = 60_000 }: CliOptions = {},
): Promise<CliResult> => {
  let stdout = "";
  let stderr = "";
  const io: Io = {
    out: (text) => void (stdout += text),
    outBytes: (bytes) => void (stdout += Buffer.from(bytes).toString("utf8")),
    err: (text) => void (stderr += text),
    env: { ...process.env, NO_COLOR: "1", ...env },
    cwd,
    interactive: false,
    stdoutIsTerminal: false,
    columns: 80,
    readKey: () => Promise.reject(new OperationError("E_TEST", "there is no terminal")),
    readInput: () => Promise.resolve(input),
    input: async function* () {
      yield Buffer.from(input);
    },
    typed: () => () => undefined,
    now: () => performance.now(),
  };
  const code = await runCli(args, io, AbortSignal.timeout(timeoutMs));
  return { code, stdout, stderr, json: parse(stdout) };
};
