import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { type ErrorCatalogue, InvariantError, OperationError } from "@ioi/base";
import { redact } from "../src/bug-report.ts";
import { errors } from "../src/errors.ts";
import { colourWanted, type Io, nodeIo, outputOf, visible } from "../src/io.ts";
import { buildProgram } from "../src/program.ts";
import { explainCode, failureOf, formatError, hint, SignalExit } from "../src/report.ts";
import { runWith, temporaryFolder } from "./support.ts";

const main = resolve(import.meta.dirname, "../src/main.ts");

const allCommands = () => {
  const program = buildProgram({
    io: nodeIo(),
    signal: new AbortController().signal,
    outcome: { exit: 0 },
    completing: false,
  });
  const walk = (command: typeof program, path: readonly string[]): (readonly string[])[] =>
    command
      .createHelp()
      .visibleCommands(command)
      .filter((each) => each.name() !== "help")
      .flatMap((each) => {
        const below = [...path, each.name()];
        const inner = walk(each, below);
        return inner.length === 0 ? [below] : inner;
      });
  return walk(program, []);
};

test("every command has help with an example, and takes --json", async () => {
  const commands = allCommands();
  assert.ok(commands.length >= 22, `${commands.length} commands`);
  for (const path of commands) {
    const name = path.join(" ");
    const { exit, out, err } = await runWith([...path, "--help"]);
    assert.deepEqual([exit, err], [0, ""], name);
    assert.match(out, new RegExp(`^Usage: ioi ${name}`), name);
    assert.match(out, new RegExp(`Examples:\\n {2}\\$ \\./ioi ${name}`), name);
    if (name !== "completion") assert.match(out, /^ {2}--json /m, name);
  }
});

test("bare ioi and --help print help on stdout, exit 0", async () => {
  for (const argv of [[], ["--help"], ["help"]]) {
    const { exit, out } = await runWith(argv);
    assert.equal(exit, 0);
    assert.match(out, /^Usage: ioi/);
    assert.match(out, /Exit codes: 0 done/);
  }
});

test("help of a command, however deep; of none there is, 2", async () => {
  const whole = await runWith(["help", "receipts", "verify"]);
  assert.deepEqual([whole.exit, whole.err], [0, ""]);
  assert.match(whole.out, /^Usage: ioi receipts verify /);
  assert.match((await runWith(["help", "local"])).out, /^Usage: ioi start\|local /);
  const unknown = await runWith(["help", "receipts", "verfy"]);
  assert.deepEqual([unknown.exit, unknown.out], [2, ""]);
  assert.match(unknown.err, /there is no command "receipts verfy"\. Next: \.\/ioi --help/);
});

test("misuse is 2, on stderr, with the nearest name", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["statu"], /unknown command "statu"; did you mean "status"\?/],
    [["sessions", "lst"], /did you mean "list"\?/],
    [["sessions"], /sessions needs one of: list, show, resolve/],
    [["run"], /missing required argument "text"/],
    [["run", "--jsn", "x"], /unknown option "--jsn"; did you mean "--json"\?/],
    [["run", "--on-ask", "maybe", "x"], /--on-ask takes prompt, deny or pend, not "maybe"/],
    [["start", "--port", "70000"], /--port takes a number from 0 to 65535/],
    [["undo", "--action", "-1"], /--action takes a whole number/],
    [["suite"], /suite needs a name/],
    [["suite", "x", "--param", "=1"], /--param takes NAME=VALUE/],
    [["receipts", "prove", "x"], /takes a whole number/],
  ];
  for (const [argv, message] of cases) {
    const { exit, out, err } = await runWith(argv);
    assert.deepEqual([exit, out], [2, ""], argv.join(" "));
    assert.match(err, /^error\[E_CLI_[A-Z_]+\]: .*Next: /, argv.join(" "));
    assert.match(err, message);
    assert.doesNotMatch(err, /\n\s+at /);
  }
});

test("with --json an error is one JSON object with exactly its fields", async () => {
  const { exit, out, err } = await runWith(["sessions", "lst", "--json"]);
  assert.deepEqual([exit, err], [2, ""]);
  assert.deepEqual(JSON.parse(out), {
    code: "E_CLI_USAGE",
    message: 'unknown command "lst"; did you mean "list"?',
    at: null,
    next: "./ioi sessions --help",
    cause: [],
  });
});

test("misuse names the help of the command that was meant", async () => {
  for (const [argv, next] of [
    [["nothing"], "./ioi --help"],
    [["run"], "./ioi run --help"],
    [["start", "--port", "x"], "./ioi start --help"],
    [["receipts"], "./ioi receipts --help"],
    [["receipts", "prove", "-1"], "./ioi receipts prove --help"],
    [["run", "--on-ask", "maybe", "/help"], "./ioi run --help"],
  ] as const) {
    const { exit, out } = await runWith([...argv, "--json"]);
    assert.equal(exit, 2, out);
    assert.equal(JSON.parse(out).next, next);
  }
});

test("a hint names the data folder that the command was given, typed as it stands", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["./ioi approve a-1", "D", "./ioi approve --data D a-1"],
    ["./ioi sessions list shows it.", "../D", "./ioi sessions list --data ../D shows it."],
    ["./ioi logs", "it's here", "./ioi logs --data 'it'\\''s here'"],
    ["./ioi start --data D makes it.", "E", "./ioi start --data D makes it."],
    ["./ioi models discover, or", "D", "./ioi models discover --data D, or"],
    ["./ioi open gives it", "a b", "./ioi open --data 'a b' gives it"],
    ["./ioi suite --list", "D", "./ioi suite --list"],
    ["Look, then wait.", "D", "Look, then wait."],
  ];
  for (const [text, data, hinted] of cases) assert.equal(hint(text, data), hinted);
  assert.equal(hint("./ioi approve a-1", undefined), "./ioi approve a-1");
});

test("what is described but not there is 7, not unknown", async () => {
  for (const argv of [["tx", "send", "--x"], ["devnet", "up", "--validators", "4"], ["init"]]) {
    const { exit, err } = await runWith(argv);
    assert.equal(exit, 7, argv.join(" "));
    assert.match(err, /error\[E_CLI_UNAVAILABLE\]/);
  }
});

test("the formatter: place, message, next step, causes", async () => {
  const { report, exit } = await failureOf(
    new OperationError("E_CLI_FILE", 'unknown key "efect"; did you mean "effect"?', {
      at: { file: "policy.toml", line: 14, column: 3 },
      next: "./ioi policy lint policy.toml",
      cause: new OperationError("E_CLI_OUT", "inner", { cause: new Error("disk") }),
    }),
  );
  assert.equal(exit, 5);
  assert.equal(
    formatError(report),
    'error[E_CLI_FILE]: policy.toml:14:3: unknown key "efect"; did you mean "effect"? ' +
      "Next: ./ioi policy lint policy.toml",
  );
  assert.deepEqual(report.cause, ["E_CLI_OUT: inner", "Error: disk"]);
});

test("every documented code has its documented exit code and next step", async () => {
  const documents = readFileSync(resolve(import.meta.dirname, "../../../docs/errors.md"), "utf8");
  const entry = /^### (E_[A-Z0-9_]+)\n[^]*?- Next: (.*)\n- Exit: (\d) · from `(.*)`/gm;
  // These programs say both themselves: when they end, or to their page.
  const own = new Set([
    "apps/console",
    "apps/launcher",
    "apps/orchestrator",
    "packages/verifier",
    "tools/bootstrap",
  ]);
  const entries = [...documents.matchAll(entry)].filter(([, , , , from]) => !own.has(`${from}`));
  assert.ok(entries.length > 150, `${entries.length} codes`);
  for (const [, code = "", next, exit] of entries) {
    assert.deepEqual(await explainCode(code), { exit: Number(exit), next }, code);
  }
});

test("exit codes come from whichever package knows the code", async () => {
  const exitOf = async (code: `E_${string}`) =>
    (await failureOf(new OperationError(code, ""))).exit;
  assert.equal(await exitOf("E_ACTION_DENIED"), 3);
  assert.equal(await exitOf("E_APPROVAL_PENDING"), 4);
  assert.equal(await exitOf("E_TARGET_UNAVAILABLE"), 7);
  assert.equal(await exitOf("E_PROOF_INVALID"), 6);
  assert.equal(await exitOf("E_DATA_NEWER"), 5);
  assert.equal(await exitOf("E_COMMAND_SYNTAX"), 2);
  assert.equal(await exitOf("E_NOBODY_KNOWS"), 5);
  assert.equal((await failureOf(new SignalExit("SIGINT"))).exit, 130);
  assert.equal((await failureOf(new SignalExit("SIGTERM"))).exit, 143);
  const system = Object.assign(new Error("ENOSPC: no space"), { code: "ENOSPC", syscall: "write" });
  assert.deepEqual(
    [(await failureOf(system)).exit, (await failureOf(system)).report.code],
    [5, "E_CLI_SYSTEM"],
  );
});

test("every code of the command line says what, why, next", () => {
  for (const [code, entry] of Object.entries(errors as ErrorCatalogue)) {
    assert.match(code, /^E_CLI_[A-Z_]+$/);
    for (const text of [entry.what, entry.why, entry.next]) assert.notEqual(text.trim(), "", code);
  }
});

test("a bug is 1, leaves a redacted report and names it; a stack only with --debug", async () => {
  using folder = temporaryFolder();
  const data = join(folder.path, "D");
  mkdirSync(join(data, "logs"), { recursive: true });
  const secret = "hunter2-canary";
  const { runCli } = await import("../src/cli.ts");
  let err = "";
  const argv = ["uninstall", "--data", data, "--json"];
  const out: string[] = [];
  let looks = 0;
  const boom: Io = {
    ...nodeIo(),
    env: {},
    out: (text) => void out.push(text),
    err: (text) => {
      err += text;
    },
    // The command's own look at the folder fails, the report's does not.
    get cwd() {
      if (looks++ === 0) throw new InvariantError(`impossible: "${secret}" in /home/a/b`);
      return folder.path;
    },
  };
  const exit = await runCli(argv, boom, new AbortController().signal);
  assert.equal(exit, 1);
  const report = JSON.parse(out.join(""));
  assert.equal(report.code, "E_CLI_BUG");
  const file = /report: (\S+\.json)/.exec(report.message)?.[1] ?? "";
  assert.ok(file.startsWith(join(data, "logs")), report.message);
  const text = readFileSync(file, "utf8");
  assert.doesNotMatch(text, new RegExp(secret));
  assert.doesNotMatch(text, /\/home\/a/);
  const written = JSON.parse(text);
  assert.deepEqual([written.schema, written.command], ["ioi.bug/1", "uninstall"]);
  assert.deepEqual(written.flags, ["--data", "--json"]);
  assert.equal(written.errors[0].name, "InvariantError");
  assert.ok(written.errors[0].frames.length > 0);
  assert.doesNotMatch(err, /\n\s+at /);
});

test("redaction keeps words and drops what could be content", () => {
  assert.equal(
    redact('unreachable: {"a":"secret"} at "x y" in /home/me/a.txt with 0123456789abcdef0123'),
    'unreachable: {...} at "..." in <path> with <hex>',
  );
});

test("NO_COLOR, no terminal and --json mean no escape sequences", () => {
  const base = nodeIo();
  const terminal: Io = { ...base, env: {}, stdoutIsTerminal: true };
  assert.equal(colourWanted(terminal), true);
  assert.equal(colourWanted({ ...terminal, env: { NO_COLOR: "1" } }), false);
  assert.equal(colourWanted({ ...terminal, env: { TERM: "dumb" } }), false);
  assert.equal(colourWanted({ ...terminal, stdoutIsTerminal: false }), false);
  assert.equal(outputOf(terminal, false).paint("red", "x"), "\u001B[31mx\u001B[39m");
  assert.equal(outputOf(terminal, true).paint("red", "x"), "x");
});

test("text of others cannot move the cursor, turn around or hide", () => {
  assert.equal(
    visible("a\u001B[2Jb\u202Ec\u200Bd\r\ne\tf\u0085"),
    "a\\u{1b}[2Jb\\u{202e}c\\u{200b}d\\u{d}\ne\tf\\u{85}",
  );
});

test("the program: exit code, streams, completion", () => {
  const run = (...argv: readonly string[]) =>
    spawnSync(process.execPath, [main, ...argv], { encoding: "utf8", timeout: 30_000 });
  const unknown = run("statu", "--json");
  assert.deepEqual([unknown.status, unknown.stderr], [2, ""]);
  assert.equal(JSON.parse(unknown.stdout).code, "E_CLI_USAGE");
  assert.match(run("--version").stdout, /^\d+\.\d+\.\d+\n$/);
  const script = run("completion", "bash");
  assert.equal(script.status, 0);
  // Bash runs what the script says, from this installation, and evaluates nothing that is typed.
  const typed = (...line: readonly string[]): string =>
    execFileSync(
      "bash",
      [
        "-c",
        `${script.stdout.replace(/'[^']*\/ioi'/, `'${process.execPath}' '${main}'`)}
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ioi; printf '%s ' "\${COMPREPLY[@]}"`,
        "bash",
        ...line,
      ],
      { encoding: "utf8" },
    );
  assert.match(script.stdout, new RegExp(`'${resolve(main, "../../../../ioi")}' complete`));
  assert.equal(typed("./ioi", "receipts", "v"), "verify ");
  assert.equal(typed("ioi", "run", "--work"), "--workspace ");
  using folder = temporaryFolder();
  const trap = join(folder.path, "evaluated");
  typed("./ioi", "run", `$(touch ${trap})`, "");
  assert.ok(!existsSync(trap));
  const words = run("complete", "--", "rec");
  assert.match(words.stdout, /^receipts\t/m);
  const options = run("complete", "--", "run", "--on");
  assert.match(options.stdout, /^--on-ask\t/m);
});

test("a reader that goes away ends the output, not the command with a trace", () => {
  const out = execFileSync(
    "/bin/sh",
    ["-c", `"${process.execPath}" "${main}" --help | head -n 1; true`],
    { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
  );
  assert.equal(out, "Usage: ioi [options] [command]\n");
});
