/** `ioi mcp` and `ioi gate` with their options. */
import type { Command } from "commander";
import { bind, type Build, data, examples, group } from "./build.ts";
import { collect, parseGateAsk, parseListen } from "./options.ts";

const servers = () => import("./commands/mcp/servers.ts");

const serverOptions = (command: Command): Command =>
  command
    .addOption(data())
    .option(
      "--policy <file>",
      "what its gates are judged by; `transparent` lets everything through",
    )
    .option("--url <address>", "a server over Streamable HTTP, instead of a command")
    .option("--secret <name>", "of one over HTTP: ./ioi secrets set NAME --url ADDRESS")
    .option("--read <dir>", "a folder that it may read", collect)
    .option("--write <dir>", "a folder that it may read and write", collect)
    .option("--no-folders", "do not give it the folders that its command names")
    .option(
      "--network <host[:port]>",
      "a place that its program may reach, through egress; nothing else; port 443 if none is said",
      collect,
    )
    .option("--env <name[=value]>", "a variable that it gets; nothing else of yours", collect)
    .option("--cwd <dir>", "where it starts, for reading; absent: an empty folder")
    .option("--replace", "take a changed command for a known name");

export const addMcpCommands = (program: Command, build: Build): void => {
  const mcp = group(program, "mcp", "the MCP servers that agents and gates may call");
  const list = mcp
    .command("list", { isDefault: true })
    .description("confirmed servers, their folders and their tools")
    .addOption(data());
  examples(list, ["mcp list", "mcp --json"]);
  bind(build, list, async () => (await servers()).list);

  const add = serverOptions(
    mcp
      .command("add")
      .description("confirm a server; its tools are pinned when they are first seen")
      .argument("<name>", "what you and policies call it")
      .argument("[command...]", "the program and its arguments, behind --"),
  );
  examples(add, [
    "mcp add files -- node /opt/mcp/server-filesystem/dist/index.js ~/Documents",
    "mcp add weather --network api.weather.example -- python3 /opt/weather/server.py",
    "mcp add notes --read ~/notes -- python3 /opt/notes/server.py",
  ]);
  bind(build, add, async () => (await servers()).add);

  const review = mcp
    .command("review")
    .description("what has changed or come since its tools were pinned, as a difference")
    .argument("<name>", "a confirmed server")
    .addOption(data());
  examples(review, ["mcp review files", "mcp review files --json"]);
  bind(build, review, async () => (await servers()).review);

  const pin = mcp
    .command("pin")
    .description("take tools that wait, as they were shown")
    .argument("<name>", "a confirmed server")
    .argument("[tool...]", "its tools")
    .addOption(data())
    .option("--all", "all that can be taken");
  examples(pin, ["mcp pin files read_file", "mcp pin files --all"]);
  bind(build, pin, async () => (await servers()).pin);

  const remove = mcp
    .command("rm")
    .description("confirm a server no more")
    .argument("<name>", "a confirmed server")
    .addOption(data());
  examples(remove, ["mcp rm files"]);
  bind(build, remove, async () => (await servers()).remove);
};

export const addGateCommands = (program: Command, build: Build): void => {
  const gate = group(program, "gate", "stand between an agent's client and what it calls");
  const mcp = serverOptions(
    gate
      .command("mcp")
      .description("an MCP server behind the gate, for clients that start servers as commands")
      .argument("[command...]", "the server's program and its arguments, behind --")
      .option("--name <name>", "what policies call it; absent: a word of its command")
      .option(
        "--on-ask <wait|elicit|deny>",
        "who answers an ask: you, the client's user (unsigned), nobody",
        parseGateAsk,
      )
      .option(
        "--listen <port>",
        "for clients over HTTP on 127.0.0.1, with a token that is printed; 0: any free port",
        parseListen,
      )
      .option("--quiet", "say nothing of what was allowed"),
  );
  examples(mcp, [
    "gate mcp --name files -- node /opt/mcp/server-filesystem/dist/index.js ~/Documents",
    "gate mcp --name notes --url https://notes.example.com/mcp",
    "gate mcp --listen 8765 --name files -- node /opt/mcp/server-filesystem/dist/index.js ~/Documents",
    "gate mcp --policy files.toml -- node /opt/mcp/server-filesystem/dist/index.js ~/Documents",
  ]);
  bind(build, mcp, async () => (await import("./commands/mcp/gate.ts")).gate);

  const changing = (command: Command): Command =>
    command
      .argument(
        "[client]",
        "claude-desktop, claude-code, cursor, vscode, windsurf, zed, gemini, lmstudio",
      )
      .addOption(data())
      .option("--dry-run", "show the difference and write nothing");
  const install = changing(
    gate
      .command("install")
      .description("put the gate before the servers of known clients, with a copy of what was"),
  );
  examples(install, ["gate install --dry-run", "gate install claude-desktop"]);
  bind(build, install, async () => (await import("./commands/mcp/install.ts")).install);
  const uninstall = changing(
    gate.command("uninstall").description("take the gate away again, byte for byte"),
  );
  examples(uninstall, ["gate uninstall --dry-run", "gate uninstall cursor"]);
  bind(build, uninstall, async () => (await import("./commands/mcp/install.ts")).uninstall);
};
