/** Runs as an exec driver does, inside its sandbox, and starts the probe in one of its own. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { sandboxedCommand } from "../compile.ts";
import { probeFactsVariable, probeListVariable, type SceneFacts } from "./scene-facts.ts";
import { nestedSpec } from "./specs.ts";

const factsText = process.env[probeFactsVariable] ?? "{}";
const facts = JSON.parse(factsText) as SceneFacts;
const probe = fileURLToPath(new URL("./probe.ts", import.meta.url));
const command = sandboxedCommand(
  nestedSpec(facts),
  process.execPath,
  ["--no-warnings", probe],
  {
    [probeFactsVariable]: factsText,
    [probeListVariable]: process.env[probeListVariable] ?? "[]",
  },
  { cwd: facts.workspace, descriptors: facts.terminal < 0 ? [] : [facts.terminal] },
);
const answer = spawnSync(command.program, command.args, {
  env: command.env,
  stdio: ["ignore", "inherit", "inherit", ...(facts.terminal < 0 ? [] : [facts.terminal])],
});
process.exitCode = answer.status ?? 1;
