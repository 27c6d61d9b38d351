/**
 * The bootstrap's commands. Each installs what it needs and hands over to the pinned Node:
 *
 * - `start`: the program (`ioi start`), with what running needs
 * - `cli`: any command of the program; `suite` and `bench` get the development tools too
 * - `test`, `check`, `gen`: tests/run.ts, tools/check.ts and tools/gen.ts, with the development
 *   tools
 */
import fs from "node:fs";
import path from "node:path";
import { runProgram, watchForEnd } from "./children.mjs";
import { programEnvironment } from "./environment.mjs";
import { BootstrapError, report } from "./errors.mjs";
import { install } from "./install.mjs";
import { readFacts } from "./platform.mjs";

const commands = /** @type {const} */ ({
  start: { program: "apps/cli/src/main.ts", first: ["start"], mode: "prod" },
  cli: { program: "apps/cli/src/main.ts", first: [], mode: "prod" },
  test: { program: "tests/run.ts", first: [], mode: "dev" },
  check: { program: "tools/check.ts", first: [], mode: "dev" },
  gen: { program: "tools/gen.ts", first: [], mode: "dev" },
});

const needsTools = new Set(["suite", "bench"]);

/** @param {readonly string[]} argv */
export const main = async (argv) => {
  const [name = "", ...args] = argv;
  const root = fs.realpathSync(path.join(import.meta.dirname, "../.."));
  if (!Object.hasOwn(commands, name)) {
    process.stderr.write("usage: node tools/bootstrap.mjs start|test|check|gen|cli [arguments]\n");
    process.exitCode = 2;
    return;
  }
  const command = commands[/** @type {keyof typeof commands} */ (name)];
  const mode = needsTools.has(args[0] ?? "") && name === "cli" ? "dev" : command.mode;
  const signal = watchForEnd();
  try {
    await install(
      {
        root,
        env: process.env,
        facts: readFacts,
        say: (text) => process.stderr.write(`ioi: ${text}\n`),
        signal,
      },
      mode,
    );
    signal.throwIfAborted();
  } catch (error) {
    if (signal.aborted) process.exit(Number(signal.reason));
    if (!(error instanceof BootstrapError)) throw error;
    process.exit(report(error, args.includes("--json")));
  }
  const code = await runProgram(
    path.join(root, ".runtime/bin/node"),
    [
      "--disable-warning=ExperimentalWarning",
      path.join(root, command.program),
      ...command.first,
      ...args,
    ],
    {
      cwd: workingFolder(root),
      env: programEnvironment(root, process.env, command.mode === "dev"),
      watchParent: name !== "cli",
    },
  );
  process.exit(code);
};

/**
 * npm runs scripts in the package's folder; a path that a person typed counts from where they are.
 * @param {string} root
 */
const workingFolder = (root) => {
  const { npm_package_json: manifest, npm_lifecycle_event: script, INIT_CWD: from } = process.env;
  const here = process.cwd();
  if (script !== "start" || from === undefined || manifest === undefined) return here;
  try {
    return fs.realpathSync(manifest) === path.join(root, "package.json") ? from : here;
  } catch {
    return here;
  }
};
