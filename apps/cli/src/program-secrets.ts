/** The commands about secrets. */
import type { Command } from "commander";
import { bind, type Build, data, examples, group } from "./build.ts";

export const addSecretCommands = (program: Command, build: Build): void => {
  const secrets = group(program, "secrets", "values that agents may use and nobody may read again");
  const set = secrets
    .command("set")
    .description("enter a value, from standard input or unseen at the terminal")
    .argument("<name>", "what requests and people call it")
    .addOption(data())
    .requiredOption("--url <url>", "where it may go: this address and all below it")
    .option("--method <method>", "only with this method")
    .option("--header <name>", "the header that it fills (default: authorization)")
    .option("--template <text>", "what the header says; {} stands for the value");
  examples(set, [
    "secrets set OPENAI --url https://api.openai.com/v1",
    "secrets set GITHUB --url https://api.github.com < token.txt",
    "secrets set SHOP --url https://shop.example/api --header x-api-key --method GET",
  ]);
  bind(build, set, async () => (await import("./commands/secrets.ts")).set);
  const list = secrets
    .command("list")
    .description("names and where each may go; never a value")
    .addOption(data());
  examples(list, ["secrets list", "secrets list --json"]);
  bind(build, list, async () => (await import("./commands/secrets.ts")).list);
  const remove = secrets
    .command("rm")
    .description("forget a secret")
    .argument("<name>", "as in secrets list")
    .addOption(data());
  examples(remove, ["secrets rm GITHUB"]);
  bind(build, remove, async () => (await import("./commands/secrets.ts")).remove);
};
