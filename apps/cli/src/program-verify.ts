/** Checks of files, offline, by what their reader trusts. */
import type { Command } from "commander";
import { bind, type Build, examples, group } from "./build.ts";

export const addVerifyCommands = (program: Command, build: Build): void => {
  const verify = group(program, "verify", "check a file offline; exit 6 where it is wrong");
  const block = verify
    .command("block")
    .description("that validators committed a block, and what that commit survives")
    .argument("<file>", "a proof of a block, as specs/consensus/objects.md says")
    .requiredOption("--start <hex>", "hash of the chain's start, from whom you trust");
  examples(block, ["verify block block.proof --start 6f0e...", "verify block F --start H --json"]);
  bind(build, block, async () => (await import("./commands/verify-block.ts")).verifyBlock);
};
