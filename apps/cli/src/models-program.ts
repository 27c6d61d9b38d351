/** `ioi models` and its options. */
import type { Command } from "commander";
import { bind, type Build, data, examples, group } from "./build.ts";
import { parseCount, parseDollars, parseProtocol } from "./options.ts";

const load = () => import("./commands/models.ts");

export const addModelCommands = (program: Command, build: Build): void => {
  const models = group(program, "models", "the models that agents may ask");
  const list = models
    .command("list", { isDefault: true })
    .description("confirmed models, with address, price and who runs them")
    .addOption(data());
  examples(list, ["models list", "models --json"]);
  bind(build, list, async () => (await load()).list);

  const discover = models
    .command("discover")
    .description("look for Ollama, llama.cpp, LM Studio and vLLM on this machine")
    .addOption(data());
  examples(discover, ["models discover", "models discover --json"]);
  bind(build, discover, async () => (await load()).discover);

  const add = models
    .command("add")
    .description("confirm a model; who runs its server now is kept with it")
    .argument("<id>", "what you and policies call it, as in ollama/llama3.2")
    .addOption(data())
    .option("--url <base>", "base of its API; absent: what discover found, or a known provider's")
    .option("--protocol <name>", "openai or anthropic; absent: openai", parseProtocol)
    .option("--name <name>", "the provider's name for it; absent: the id after its first /")
    .option("--secret <name>", "the secret that authenticates: ./ioi secrets set NAME --url URL")
    .option("--price-in <usd>", "dollars for a million tokens that it is told", parseDollars)
    .option("--price-out <usd>", "dollars for a million tokens that it says", parseDollars)
    .option("--context <tokens>", "how much it can be told at once", parseCount("--context"))
    .option("--default", "use it where none is named")
    .option(
      "--memory",
      "memories are found by its vectors: it embeds texts, in 2048 numbers at most",
    )
    .option(
      "--allow-unscrubbed",
      "you agree, once for this data folder, that text goes to models elsewhere as it is",
    );
  examples(add, [
    "models add ollama/llama3.2",
    "models add ollama/nomic-embed-text --memory",
    "models add anthropic/claude-sonnet-4-5 --allow-unscrubbed",
    "models add box/qwen3 --url http://192.168.1.5:8000/v1 --price-in 0 --price-out 0 --allow-unscrubbed",
  ]);
  bind(build, add, async () => (await load()).add);

  const fallback = models
    .command("default")
    .description("use this model where none is named")
    .argument("<id>", "a confirmed model")
    .addOption(data());
  examples(fallback, ["models default ollama/llama3.2"]);
  bind(build, fallback, async () => (await load()).setDefault);

  const memory = models
    .command("memory")
    .description("find memories by vectors of this model; none: by words alone")
    .argument("<id>", "a confirmed model that embeds texts, in 2048 numbers at most, or none")
    .addOption(data());
  examples(memory, ["models memory ollama/nomic-embed-text", "models memory none"]);
  bind(build, memory, async () => (await load()).setMemory);

  const remove = models
    .command("rm")
    .description("confirm a model no more")
    .argument("<id>", "a confirmed model")
    .addOption(data());
  examples(remove, ["models rm ollama/llama3.2"]);
  bind(build, remove, async () => (await load()).remove);
};
