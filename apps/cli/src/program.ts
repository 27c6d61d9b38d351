/**
 * The commands, their options and their help. Handlers are imported only when they run, so that
 * help and completion cost no more than this file.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { exitCodes } from "@ioi/base";
import { Command } from "commander";
import { bind, type Build, data, examples, exampleText, group } from "./build.ts";
import {
  collect,
  parseAction,
  parseCount,
  parseParam,
  parsePagePort,
  parsePort,
  parseResolver,
} from "./options.ts";
import { addGateCommands, addMcpCommands } from "./mcp-program.ts";
import { addModelCommands } from "./models-program.ts";
import { addChainCommands } from "./program-chain.ts";
import { addPolicyTools } from "./program-policy.ts";
import { addScsCommands } from "./program-scs.ts";
import { addSecretCommands } from "./program-secrets.ts";
import { addServiceCommands } from "./program-service.ts";
import { addSessionCommands, onAsk } from "./program-sessions.ts";
import { addVerifyCommands } from "./program-verify.ts";
import { failWith, usage } from "./report.ts";

export const projectRoot: string = resolve(import.meta.dirname, "../../..");

let known: string | undefined;

/** Read once: who calls again may have fewer rights by then. */
const version = (): string => {
  if (known !== undefined) return known;
  const manifest = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
    readonly version: string;
  };
  known = manifest.version;
  return known;
};

export const completionExample: string = exampleText([
  "completion bash > ~/.ioi-completion && . ~/.ioi-completion",
]);

/** What a bare group, or nothing at all, was missing. */
export const visibleNames = (command: Command): readonly string[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((each) => each.name())
    .filter((name) => name !== "help");

const addStart = (program: Command, build: Build): void => {
  const start = program
    .command("start")
    .alias("local")
    .description("start the kernel and keep it running")
    .addOption(data())
    .option("--port <n>", "port of the public API; 0 takes a free one", parsePort, 9000)
    .option("--host <address>", "loopback address of the public API", "127.0.0.1")
    .option("--page-port <n>", "port of the page; 0 takes a free one", parsePagePort)
    .option("--no-page", "serve no page")
    .option("--no-open", "do not open the page where there is a display")
    .option("--ca <file>", "certificate authorities that agents' requests believe beside the usual")
    .option("--resolver <address:port>", "look names up there", parseResolver)
    .option("--exit-when-ready", "stop again once it is ready");
  examples(start, ["start", "start --no-page", "start --data D --port 0 --exit-when-ready"]);
  bind(build, start, async () => (await import("./commands/start.ts")).start);
};

const addKernelCommands = (program: Command, build: Build): void => {
  const status = program
    .command("status")
    .description("what runs, what waits for you, what was receipted")
    .addOption(data())
    .option("--watch", "keep looking until interrupted");
  examples(status, ["status", "status --watch", "status --json"]);
  bind(build, status, async () => (await import("./commands/status.ts")).status);

  const doctor = program
    .command("doctor")
    .description("what protects you on this machine and what does not, measured")
    .addOption(data());
  examples(doctor, ["doctor", "doctor --json"]);
  bind(build, doctor, async () => (await import("./commands/doctor.ts")).doctor);

  const logs = program
    .command("logs")
    .description("the kernel's structured logs; they hold no content")
    .addOption(data())
    .option("--follow", "keep printing new lines until interrupted")
    .option("--process <name>", "only this process")
    .option("--session <id>", "only lines of this session")
    .option("--lines <n>", "at most so many of the newest lines", parseCount("--lines"));
  examples(logs, ["logs", "logs --follow --process guardian", "logs --json --lines 50"]);
  bind(build, logs, async () => (await import("./commands/logs.ts")).logs);

  const keys = program
    .command("keys")
    .description("the public keys of this data folder and where the private ones lie")
    .addOption(data());
  examples(keys, ["keys", "keys --json"]);
  bind(build, keys, async () => (await import("./commands/keys.ts")).keys);

  const backup = program
    .command("backup")
    .description("the whole data folder, as one signed file; no kernel may run")
    .argument("<file>", "where to write it; it must not exist")
    .addOption(data())
    .option("--passphrase-file <file>", "seal it under the first line of this file")
    .option("--plain", "do not seal it: whoever reads the file has the folder's keys");
  examples(backup, ["backup ioi.backup --passphrase-file F", "backup ioi.backup --plain --json"]);
  bind(build, backup, async () => (await import("./commands/backup.ts")).backup);

  const restore = program
    .command("restore")
    .description("a data folder from a backup; checked whole before anything is changed")
    .argument("<file>", "the backup")
    .addOption(data())
    .option("--passphrase-file <file>", "its passphrase, in the first line of this file")
    .option("--key <hex>", "the Guardian that must have signed it, in hex or a file that holds it")
    .option("--onto", "take the place of an older state of the same folder");
  examples(restore, [
    "restore ioi.backup --data D --passphrase-file F",
    "restore ioi.backup --data D --onto",
  ]);
  bind(build, restore, async () => (await import("./commands/backup.ts")).restore);

  const uninstall = program
    .command("uninstall")
    .description("list what removing ioi would delete; it deletes nothing itself")
    .addOption(data());
  examples(uninstall, ["uninstall", "uninstall --data D --json"]);
  bind(build, uninstall, async () => (await import("./commands/uninstall.ts")).uninstall);
};

const addPageCommands = (program: Command, build: Build): void => {
  const open = program
    .command("open")
    .description("open the page: a link that is good for one minute and once")
    .addOption(data())
    .option("--cards", "only what waits for an answer, in a tab of its own")
    .option("--print", "print the link and open nothing");
  examples(open, ["open", "open --cards", "open --print", "open --json"]);
  bind(build, open, async () => (await import("./commands/open.ts")).open);

  const devices = group(program, "devices", "the keys that may answer for you");
  const listed = devices
    .command("list", { isDefault: true })
    .description("the keys that may answer for you, and what each counts for")
    .addOption(data());
  examples(listed, ["devices list", "devices --json"]);
  bind(build, listed, async () => (await import("./commands/devices.ts")).list);
  const pair = devices
    .command("pair")
    .description("let a device answer: the six digits that its page shows")
    .argument("<code>", "six digits")
    .addOption(data());
  examples(pair, ["devices pair 123456"]);
  bind(build, pair, async () => (await import("./commands/devices.ts")).pair);
  const revoke = devices
    .command("revoke")
    .description("let a device answer no more")
    .argument("<device>", "its id, or the beginning of it")
    .addOption(data());
  examples(revoke, ["devices revoke 3f2a91c0"]);
  bind(build, revoke, async () => (await import("./commands/devices.ts")).revoke);
};

const addDecisionCommands = (program: Command, build: Build): void => {
  const approve = program
    .command("approve")
    .description("approve what waits, and see it through")
    .argument("<approval>", "its id, or the beginning of it; p-... is a change of the policy")
    .addOption(data())
    .option("--session-scope", "for the rest of the session, where the card offers it")
    .option("--alike", "for what is like it too, as the card says, where it offers that")
    .option("--show", "only show the card and what it changes; answer nothing");
  examples(approve, [
    "approve a-9c41 --show",
    "approve a-9c41",
    "approve a-9c41 --session-scope",
    "approve a-9c41 --alike",
  ]);
  bind(build, approve, async () => (await import("./commands/decide.ts")).approve);
  const deny = program
    .command("deny")
    .description("deny what waits")
    .argument("<approval>", "its id, or the beginning of it")
    .addOption(data())
    .option("--reason <text>", "what the agent is told");
  examples(deny, ["deny a-9c41 --reason 'not that folder'"]);
  bind(build, deny, async () => (await import("./commands/decide.ts")).deny);

  const stop = program
    .command("stop")
    .description("stop a session, or all of them and all gates, and everything they started")
    .argument("[session]", "its id, or the beginning of it, also of a gate; absent: every session")
    .addOption(data());
  examples(stop, ["stop", "stop s-3f2a"]);
  bind(build, stop, async () => (await import("./commands/stop.ts")).stop);
  const undo = program
    .command("undo")
    .description("undo what was reversible in a session, newest first")
    .argument(
      "[session]",
      "its id, or the beginning of it, also of an undo; absent: the newest with something left to undo",
    )
    .addOption(data())
    .option("--action <n>", "only this action", parseAction("--action"))
    .addOption(onAsk());
  examples(undo, ["undo", "undo s-3f2a --action 2"]);
  bind(build, undo, async () => (await import("./commands/undo.ts")).undo);

  const replay = program
    .command("replay")
    .description("step through a session's journal, or a simulated network of validators")
    .argument("<journal>", "a journal file, or a session's id; sim: a network, from its seed")
    .addOption(data())
    .option("--seed <seed>", "with sim: of the scenario, as a failing case names it")
    .option("--nodes <n>", "with sim: validators, 4 if absent", parseCount("--nodes"))
    .option("--powers <list>", "with sim: of each validator, in place of those that are drawn")
    .option("--broken <n>", "with sim: power of broken Guardians", parseCount("--broken"))
    .option("--until <ms>", "with sim: events up to this virtual time", parseCount("--until"))
    .option("--node <n>", "with sim: events of this host alone", parseCount("--node"));
  examples(replay, [
    "replay ioi-data/workload/journals/s-3f2a91c07be4.log",
    "replay s-3f2a --json",
    "replay sim --seed 1/4/17 --nodes 4 --until 3000 --node 2",
    "replay sim --seed 1/broken/1-1-1-1/c2/0 --powers 1,1,1,1 --broken 2",
  ]);
  bind(build, replay, async () => (await import("./commands/replay.ts")).replay);
};

const actionOptions = (command: Command): Command =>
  command
    .argument("[target]", "as in fs::read or sys::exec")
    .addOption(data())
    .option("--policy <file>", "a policy file; absent: the data folder's, else the shipped one")
    .option("--workspace <dir>", "the folder that becomes the session's scope")
    .option("--arg <name=value>", "an argument; JSON where it is not text", collect)
    .option("--action <json>", "the action as JSON {target, args}; @FILE or - reads it")
    .option("--words <text>", "what the person typed", collect)
    .option("--headless", "nobody will answer: an ask is a denial");

const addPolicyCommands = (program: Command, build: Build): void => {
  const policy = group(program, "policy", "read, check, test, compare and change a policy");
  const check = actionOptions(policy.command("check")).description(
    "one action: its verdict and every rule that matched",
  );
  examples(check, [
    "policy check fs::read --arg path=/home/me/a.txt --workspace /home/me",
    `policy check --action '{"target":"sys::exec","args":{"argv":["git","status"]}}' --json`,
  ]);
  bind(build, check, async () => (await import("./commands/policy.ts")).check);
  const explain = actionOptions(policy.command("explain")).description(
    "one action: why, and the smallest change that would change it",
  );
  examples(explain, ["policy explain fs::write --arg path=/etc/hosts --arg content=x"]);
  bind(build, explain, async () => (await import("./commands/policy.ts")).explain);
  const lint = policy
    .command("lint")
    .description("errors with line and column; shadowed, unreachable and over-broad rules")
    .argument("[file]", "a policy file; absent: the data folder's")
    .addOption(data());
  examples(lint, ["policy lint policy.toml", "policy lint --json"]);
  bind(build, lint, async () => (await import("./commands/policy.ts")).lint);
  addPolicyTools(policy, build);
};

const addReceiptCommands = (program: Command, build: Build): void => {
  const receipts = group(program, "receipts", "list, verify, prove and export receipts");
  const list = receipts
    .command("list")
    .description("the newest receipts")
    .addOption(data())
    .option("--session <id>", "only of this session")
    .option("--limit <n>", "at most so many", parseCount("--limit"), 50);
  examples(list, ["receipts list", "receipts list --session s-3f2a --json"]);
  bind(build, list, async () => (await import("./commands/receipts.ts")).list);
  const show = receipts
    .command("show")
    .description("one receipt whole, with the requests that a program made")
    .argument("<index>", "as in receipts list")
    .addOption(data());
  examples(show, ["receipts show 4", "receipts show 4 --json"]);
  bind(build, show, async () => (await import("./commands/receipt-show.ts")).show);
  const verify = receipts
    .command("verify")
    .description("check the log, offline, against what the Guardian signed")
    .addOption(data())
    .option("--bundle <file>", "check an export instead of a data folder")
    .option("--key <hex>", "the Guardian's public key, in hex or a file that holds it");
  examples(verify, [
    "receipts verify",
    "receipts verify --bundle receipts.json --key guardian.pub",
  ]);
  bind(build, verify, async () => (await import("./commands/receipts.ts")).verify);
  const prove = receipts
    .command("prove")
    .description("proof that one receipt is in the log, and that the log only grew")
    .argument("<index>", "as in receipts list", parseCount("INDEX"))
    .addOption(data());
  examples(prove, ["receipts prove 3 --json"]);
  bind(build, prove, async () => (await import("./commands/receipts.ts")).prove);
  const memory = receipts
    .command("memory")
    .description("the Guardian's signed checkpoint of the memory file, as receipts committed to it")
    .addOption(data());
  examples(memory, ["receipts memory > memory.checkpoint", "receipts memory --json"]);
  bind(build, memory, async () => (await import("./commands/memory.ts")).checkpoint);
  const exportCommand = receipts
    .command("export")
    .description("a bundle that verifies in another folder with the public key alone")
    .argument("<file>", "where to write it; it must not exist")
    .addOption(data())
    .option("--session <id>", "only of this session")
    .option("--index <n>", "only this receipt", parseCount("--index"));
  examples(exportCommand, ["receipts export receipts.json", "receipts export one.json --index 3"]);
  bind(build, exportCommand, async () => (await import("./commands/receipts.ts")).exportBundle);
};

const addJudgingCommands = (program: Command, build: Build): void => {
  const judged = (name: "suite" | "bench", description: string): Command =>
    program
      .command(name)
      .description(description)
      .argument("[name]", `the ${name}'s name`)
      .option("--list", "name each one")
      .option("--quick", "at most 45 s after set-up, same fields")
      .option("--seed <s>", "repeat a run; `random` draws one", "1")
      .option("--param <k=v>", "a parameter of it", parseParam)
      .option("--data <path>", "data to work on")
      .option("--out <file>", "also write the report here");
  const suite = judged("suite", "run a suite: cases with controls, counted").option(
    "--case <id>",
    "only this case",
  );
  examples(suite, ["suite --list --json", "suite policy --quick --json", "suite kill --seed 7"]);
  suite.addHelpText(
    "after",
    `
suite retrieval --data PATH: a file of JSON lines, or a folder of such files, each a set of its own:
  {"id": "d1", "text": "..."}
  {"query": "...", "relevant": ["d1"]}`,
  );
  bind(build, suite, async () => (await import("./commands/suite.ts")).suite);
  const bench = judged("bench", "run a bench: metrics with goals, spread and conditions");
  examples(bench, ["bench --list", "bench gate --json --out out/gate.json"]);
  bind(build, bench, async () => (await import("./commands/suite.ts")).bench);
};

/** Described, not built: they say so instead of being unknown. */
const PLANNED: Readonly<Record<string, string>> = {
  init: "scaffolding",
  test: "tests of agents and contracts",
  devnet: "a development network",
  tx: "transactions",
};

const addPlanned = (program: Command): void => {
  const refuse = (parent: Command, name: string, what: string): void => {
    parent
      .command(name, { hidden: true })
      .allowUnknownOption()
      .allowExcessArguments()
      .helpOption(false)
      .action(() => {
        throw failWith({
          code: "E_CLI_UNAVAILABLE",
          message: `"${name}" (${what}) is not part of this version`,
        });
      });
  };
  for (const [name, what] of Object.entries(PLANNED)) refuse(program, name, what);
};

const addCompletion = (program: Command): void => {
  program
    .command("completion")
    .description("print a completion script for bash, zsh, fish or powershell")
    .argument("<shell>", "bash, zsh, fish or powershell")
    .addHelpText("after", completionExample);
};

/** Commander's own looks one level deep and takes an unknown name for none. */
const addHelp = (program: Command): void => {
  program
    .command("help")
    .description("print help of a command")
    .argument("[command...]", "its words, as in receipts verify")
    .helpOption(false)
    .action((words: readonly string[]) => {
      let command = program;
      for (const word of words) {
        const next = command.commands.find(
          (each) => each.name() === word || each.aliases().includes(word),
        );
        if (next === undefined)
          throw usage(`there is no command "${words.join(" ")}"`, "./ioi --help");
        command = next;
      }
      command.outputHelp();
    });
};

/** The whole command line. Parsing it throws CommanderError for help, version and misuse. */
export const buildProgram = (build: Build): Command => {
  const program = new Command("ioi")
    .description("The Orchestrator proposes, the Guardian permits, the Workload performs.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand(false)
    // `run` has options and a sub-command that has them too.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => build.io.out(text),
      // Errors reach the one formatter; help that follows an error would only repeat it.
      writeErr: () => undefined,
      getOutHelpWidth: () => Math.min(100, build.io.columns),
      getOutHasColors: () => false,
    });
  examples(program, ["start", "run --workspace W '/read a.txt'", "receipts verify", "help run"]);
  program.addHelpText(
    "after",
    "\nExit codes: 0 done, 1 bug, 2 usage, 3 denied, 4 waits for approval, 5 failed,\n" +
      "6 checked and found wrong, 7 not available here, 130 and 143 signals.",
  );
  addStart(program, build);
  addKernelCommands(program, build);
  addPageCommands(program, build);
  addSessionCommands(program, build);
  addDecisionCommands(program, build);
  addModelCommands(program, build);
  addMcpCommands(program, build);
  addGateCommands(program, build);
  addPolicyCommands(program, build);
  addReceiptCommands(program, build);
  addChainCommands(program, build);
  addVerifyCommands(program, build);
  addScsCommands(program, build);
  addSecretCommands(program, build);
  addServiceCommands(program, build);
  addJudgingCommands(program, build);
  if (!build.completing) addCompletion(program);
  addHelp(program);
  addPlanned(program);
  build.outcome.exit = exitCodes.done;
  return program;
};
