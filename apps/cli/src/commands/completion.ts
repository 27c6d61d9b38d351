/**
 * Shell completion. What is completed comes from the program itself: the script asks
 * `ioi complete -- words`. The script for bash is ours: it evaluates nothing of what was typed.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import type { Io } from "../io.ts";
import { completionExample, projectRoot } from "../program.ts";
import { loadJudge } from "./suite.ts";

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Each line of an answer is a word, a tab and what it means; the last one is `:` and a number. */
const bashScript = (program: string): string => `# bash completion for ioi
_ioi() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :*) ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(${quoted(program)} complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _ioi ioi
`;

export const addCompletion = async (program: Command, io: Io): Promise<void> => {
  const completions = tab(program, { completionCommandName: "completion" });
  const ioi = join(projectRoot, "ioi");
  program.commands
    .find((each) => each.name() === "completion")
    ?.addHelpText("after", completionExample)
    // The place of this installation, whatever is on PATH.
    .action((shell: string) => {
      if (shell === "bash") io.out(bashScript(ioi));
      else completions.setup("ioi", quoted(ioi), shell);
    });
  if (!existsSync(join(projectRoot, "tests"))) return;
  for (const kind of ["suite", "bench"] as const) {
    const command = completions.commands.get(kind);
    const names = (await loadJudge(kind)).names();
    command?.argument("name", (complete) => {
      for (const name of names) complete(name, "");
    });
  }
};
