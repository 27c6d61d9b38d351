/**
 * Shell completion. The script that `ioi completion SHELL` prints calls `ioi complete -- words`;
 * both commands, and the names of commands and options, come from the program itself.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import { completionExample, projectRoot } from "../program.ts";
import { loadJudge } from "./suite.ts";

export const addCompletion = async (program: Command): Promise<void> => {
  const completions = tab(program, { completionCommandName: "completion" });
  program.commands
    .find((each) => each.name() === "completion")
    ?.addHelpText("after", completionExample);
  if (!existsSync(join(projectRoot, "tests"))) return;
  for (const kind of ["suite", "bench"] as const) {
    const command = completions.commands.get(kind);
    const names = (await loadJudge(kind)).names();
    command?.argument("name", (complete) => {
      for (const name of names) complete(name, "");
    });
  }
};
