/** The commands that work on a policy's text. */
import type { Command } from "commander";
import { onAsk } from "./program-sessions.ts";
import { bind, type Build, data, examples } from "./build.ts";

const policyOption = "a policy file; absent: the data folder's, else the shipped one";

/** The policy of a data folder, as its Guardian has it. */
const addPolicyChanges = (policy: Command, build: Build): void => {
  const show = policy
    .command("show")
    .description("the text in force, or an earlier one")
    .argument("[hash]", "of an earlier text, or the beginning of it; see policy history")
    .addOption(data());
  examples(show, ["policy show", "policy show 3f2a91c0 > old.toml", "policy show --json"]);
  bind(build, show, async () => (await import("./commands/policy-change.ts")).show);
  const set = policy
    .command("set")
    .description("put another text in force: what it changes is shown, then you say yes or no")
    .argument("<file>", "the new policy file")
    .addOption(data())
    .addOption(onAsk());
  examples(set, ["policy set new.toml", "policy set new.toml --on-ask pend --json"]);
  bind(build, set, async () => (await import("./commands/policy-change.ts")).set);
  const history = policy
    .command("history")
    .description("the changes that went through the Guardian, newest first")
    .addOption(data());
  examples(history, ["policy history", "policy history --json"]);
  bind(build, history, async () => (await import("./commands/policy-change.ts")).history);
};

export const addPolicyTools = (policy: Command, build: Build): void => {
  const test = policy
    .command("test")
    .description("a file of actions, each with the verdict that it must get")
    .argument("<file>", "tests: version = 1 and [[test]] with target, args, verdict")
    .addOption(data())
    .option("--policy <file>", policyOption);
  examples(test, [
    "policy test policy.test.toml",
    "policy test policy.test.toml --policy new.toml --json",
  ]);
  bind(build, test, async () => (await import("./commands/policy-tools.ts")).test);
  const diff = policy
    .command("diff")
    .description("what a new policy allows and no longer allows, with an action for each")
    .argument("<old>", "a policy file; alone: the new one, against the data folder's")
    .argument("[new]", "the new policy file")
    .addOption(data());
  examples(diff, ["policy diff old.toml new.toml", "policy diff new.toml --json"]);
  bind(build, diff, async () => (await import("./commands/policy-tools.ts")).diff);
  const fmt = policy
    .command("fmt")
    .description("a policy in one shape: comments and values stay, the space around them changes")
    .argument("[file]", policyOption)
    .addOption(data())
    .option("--write", "write it back")
    .option("--check", "only say whether it is in shape");
  examples(fmt, ["policy fmt policy.toml", "policy fmt --write policy.toml"]);
  bind(build, fmt, async () => (await import("./commands/policy-tools.ts")).fmt);
  const importRules = policy
    .command("import")
    .description("put the rules of another file into your policy, after showing what that allows")
    .argument("<file>", "a policy file, as a project's or a skill's")
    .addOption(data())
    .option("--policy <file>", policyOption)
    .option("--write", "write it; without, only show");
  examples(importRules, ["policy import skill/policy.toml", "policy import team.toml --write"]);
  bind(build, importRules, async () => (await import("./commands/policy-tools.ts")).importRules);
  const learn = policy
    .command("learn")
    .description("rules for exactly what recorded sessions did, replayed before they are shown")
    .argument("<trace...>", "journals, or sessions by the beginning of their id")
    .addOption(data())
    .option("--policy <file>", policyOption)
    .option("--write", "put them into the policy; without, only show");
  examples(learn, ["policy learn s-3f2a", "policy learn s-3f2a s-91bc --write"]);
  bind(build, learn, async () => (await import("./commands/policy-tools.ts")).learn);
  addPolicyChanges(policy, build);
};
