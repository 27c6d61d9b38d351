/** The commands that start sessions, look at them and speak to them. */
import { type Command, Option } from "commander";
import { bind, type Build, data, examples, group } from "./build.ts";
import {
  parseAccess,
  parseAction,
  parseBudget,
  parseCount,
  parseOnAsk,
  parseUsd,
} from "./options.ts";

export const onAsk = (): Option =>
  new Option(
    "--on-ask <what>",
    "when a person must decide: prompt here, deny, or pend (print the approval's id, exit 4)",
  ).argParser(parseOnAsk);

/** Budgets of one session; the policy's are the Guardian's. */
const budgetOptions = (command: Command): Command =>
  command
    .option("--actions <n>", "at most so many actions", parseBudget("--actions"))
    .option("--minutes <n>", "at most so long at work", parseBudget("--minutes"))
    .option("--usd <amount>", "at most so much for models, in dollars", parseUsd)
    .option("--tokens <n>", "at most so many tokens of models", parseBudget("--tokens"));

const sessionOptions = (command: Command): Command =>
  budgetOptions(
    command
      .addOption(data())
      .option("--workspace <dir>", "the folder this session may touch")
      .option(
        "--access <what>",
        "what it may do there: read, organise or write; absent: write",
        parseAccess,
      )
      .option(
        "--attach <file>",
        "a file of that folder that a task in words is about; repeatable",
        (each: string, before: readonly string[] | undefined) => [...(before ?? []), each],
      )
      .option(
        "--person <address>",
        "somebody whom a task in words may address: mail, telephone or account; repeatable",
        (each: string, before: readonly string[] | undefined) => [...(before ?? []), each],
      ),
  ).addOption(onAsk());

/** `ioi run -- CMD` is short for it: {@link withProgram}. */
const addRunProgram = (run: Command, build: Build): void => {
  const program = run
    .command("program")
    .description("a program in the sandbox, with egress as its only network; short: run -- CMD")
    .argument("<command...>", "the program and its arguments, after --")
    .option(
      "--network <host>",
      "a host it may reach by HTTPS, or HOST:PORT, without a card; repeatable",
      (each: string, before: readonly string[] | undefined) => [...(before ?? []), each],
    )
    .option(
      "--intercept <host>",
      "as --network, and its encrypted connections there are opened: each request is read",
      (each: string, before: readonly string[] | undefined) => [...(before ?? []), each],
    )
    .passThroughOptions();
  budgetOptions(
    program
      .addOption(data())
      .option("--workspace <dir>", "the folder it works in; absent: this one")
      .option(
        "--access <what>",
        "what it may do there: read, organise or write; absent: write",
        parseAccess,
      ),
  );
  examples(program, [
    "run program -- npm test",
    "run --network packages.example.com -- npm install",
    "run --intercept api.example.com -- curl https://api.example.com/",
    "run --workspace W --json -- python3 job.py < input",
  ]);
  bind(build, program, async () => (await import("./commands/run-program.ts")).runProgram);
};

/** `run OPTIONS -- CMD` as `run program OPTIONS -- CMD`. */
export const withProgram = (argv: readonly string[]): readonly string[] => {
  const [first, second] = argv;
  const dashes = argv.indexOf("--");
  if (first !== "run" || dashes < 1 || second === "agent" || second === "program") return argv;
  return ["run", "program", ...argv.slice(1)];
};

export const addSessionCommands = (program: Command, build: Build): void => {
  const run = program
    .command("run")
    .description("do what a request says, through the gate")
    .argument("<text...>", "commands such as '/read a.txt', several with &&; or a goal in words")
    .option("--model <id>", "the confirmed model that a goal in words is given to");
  // What stands after `agent` is its own.
  sessionOptions(run).enablePositionalOptions();
  examples(run, [
    "run --workspace W '/list .'",
    "run --workspace W --json '/read a.txt && /move a.txt b.txt'",
    "run --workspace W --on-ask pend '/run sh -c \"$X\"'",
    "run --workspace W --model ollama/llama3.2 --usd 0.10 'sort these by month'",
    "run --workspace W --attach W/notes.txt 'summarise this'",
    "run --workspace W --person anna@example.com 'send her the minutes'",
    "run --network packages.example.com -- npm install",
    "run '/help'",
  ]);
  bind(build, run, async () => (await import("./commands/run.ts")).run);
  addRunProgram(run, build);
  const agent = run
    .command("agent")
    .description("run the agent of a folder: docs/guides/agent.md")
    .argument("<dir>", "a folder with an agent.toml")
    .argument("<goal...>", "what it is to do, in words");
  sessionOptions(agent);
  examples(agent, ["run agent examples/agents/sort-python --workspace W 'sort by ending'"]);
  bind(build, agent, async () => (await import("./commands/run.ts")).runAgent);

  const sessions = group(program, "sessions", "list, show and resolve sessions");
  const list = sessions
    .command("list")
    .description("the newest sessions")
    .addOption(data())
    .option("--limit <n>", "at most so many", parseCount("--limit"), 20);
  examples(list, ["sessions list", "sessions list --limit 5 --json"]);
  bind(build, list, async () => (await import("./commands/sessions.ts")).list);
  const show = sessions
    .command("show")
    .description("one session: every action, verdict, outcome and receipt")
    .argument("<session>", "its id, or the beginning of it")
    .addOption(data())
    .option(
      "--content <n>",
      "all that action n found, as it is; made visible at a terminal (kept until newer ones need the room)",
      parseAction("--content"),
    )
    .option(
      "--proof <n>",
      "what shows the answer of action n, a recall: for ioi scs verify on any machine",
      parseAction("--proof"),
    );
  examples(show, [
    "sessions show s-3f2a",
    "sessions show s-3f2a --json",
    "sessions show s-3f2a --content 1 > file",
    "sessions show s-3f2a --proof 1 > recall.proof",
  ]);
  bind(build, show, async () => (await import("./commands/sessions.ts")).show);
  const resolveCommand = sessions
    .command("resolve")
    .description("say what became of an action whose outcome is unknown")
    .argument("<session>", "its id, or the beginning of it")
    .argument("<resolution>", "happened or did-not-happen")
    .addOption(data());
  examples(resolveCommand, ["sessions resolve s-3f2a did-not-happen"]);
  bind(build, resolveCommand, async () => (await import("./commands/sessions.ts")).resolveSession);
  addTalkCommands(sessions, build);
};

/** What a person may tell a session that runs. */
const addTalkCommands = (sessions: Command, build: Build): void => {
  const say = sessions
    .command("say")
    .description("tell a running session something; its agent hears it with its next step")
    .argument("<session>", "its id, or the beginning of it")
    .argument("<text...>", "what to say")
    .addOption(data());
  examples(say, ["sessions say s-3f2a 'only the PDF files'"]);
  bind(build, say, async () => (await import("./commands/talk.ts")).say);
  const pause = sessions
    .command("pause")
    .description("let a session rest between two actions")
    .argument("<session>", "its id, or the beginning of it")
    .addOption(data());
  examples(pause, ["sessions pause s-3f2a"]);
  bind(build, pause, async () => (await import("./commands/talk.ts")).pause);
  const resume = budgetOptions(
    sessions
      .command("resume")
      .description("go on after a pause or a reached budget, and see it through")
      .argument("<session>", "its id, or the beginning of it")
      .addOption(data()),
  ).addOption(onAsk());
  examples(resume, ["sessions resume s-3f2a", "sessions resume s-3f2a --actions 400 --usd 1.50"]);
  bind(build, resume, async () => (await import("./commands/talk.ts")).resume);
};
