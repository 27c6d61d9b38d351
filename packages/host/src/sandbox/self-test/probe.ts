/**
 * Tries a list of escapes and prints one line of JSON for each: `{"id", "done", "detail"}`. The
 * same program runs inside a sandbox and, as the control, outside.
 */
import { describe } from "./attempt-tools.ts";
import { fileAttempts } from "./attempts-files.ts";
import { kernelAttempts } from "./attempts-kernel.ts";
import { networkAttempts } from "./attempts-network.ts";
import { processAttempts } from "./attempts-processes.ts";
import { probeFactsVariable, probeListVariable, type SceneFacts } from "./scene-facts.ts";

const all = { ...fileAttempts, ...processAttempts, ...networkAttempts, ...kernelAttempts };

const facts = JSON.parse(process.env[probeFactsVariable] ?? "{}") as SceneFacts;
const ids = JSON.parse(process.env[probeListVariable] ?? "[]") as readonly string[];

for (const id of ids) {
  const attempt = all[id];
  let line: string;
  try {
    line = JSON.stringify({ id, ...(await attempt?.(facts)) });
  } catch (error) {
    line = JSON.stringify({ id, done: false, detail: describe(error) });
  }
  process.stdout.write(`${line}\n`);
}
