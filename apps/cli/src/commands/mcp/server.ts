/**
 * What an MCP server is, from the command that a person typed: the program that runs, the bytes of
 * it and of its script, and the folders that it sees.
 *
 * A folder that the command itself names is given for writing, since that is what the server is
 * started for; where its program and its script lie, for reading. `--read`, `--write` and
 * `--no-folders` say otherwise. Everything else of the machine but the system's folders is not there.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, realpathSync, statSync } from "node:fs";
import { basename, delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import type { CommandContext } from "../../context.ts";
import { programBytesMax } from "../../limits.ts";
import { projectRoot } from "../../program.ts";
import { failWith, usage } from "../../report.ts";
import { type Place, placeOf } from "./places.ts";
import { withoutRunner } from "./runner.ts";

export interface ServerOptions {
  readonly url?: string;
  readonly secret?: string;
  readonly cwd?: string;
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly folders?: boolean;
  readonly env?: readonly string[];
  readonly network?: readonly string[];
}

export interface ServerDraft {
  readonly argv: readonly string[];
  readonly url: string;
  readonly secret: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly { readonly path: string; readonly sha256: Uint8Array }[];
  readonly roots: readonly { readonly path: string; readonly write: boolean }[];
  readonly network: readonly Place[];
}

/** What every sandbox shows. */
const systemFolders: readonly string[] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];

const within = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`);

const isSystem = (path: string): boolean => systemFolders.some((each) => within(path, each));

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
const isFile = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isFile() === true;

const findProgram = ({ io }: CommandContext, name: string): string => {
  if (name.includes("/")) {
    const path = resolve(io.cwd, name);
    if (isFile(path)) return path;
  } else {
    const folders = (io.env["PATH"] ?? "").split(delimiter).filter(isAbsolute);
    const found = folders.map((folder) => join(folder, name)).filter(isFile);
    // What lies in IOI's own folder no server ever sees; ./ioi puts its runtime first in the path.
    const seen = found.filter((path) => !within(path, projectRoot));
    // A shim is a script that looks for the program elsewhere.
    const plain = seen.find((path) => !path.includes("/shims/")) ?? seen[0];
    if (plain !== undefined) return plain;
    if (found.length > 0) {
      throw failWith({
        code: "E_CLI_MCP_PROGRAM",
        message: `there is no program ${name} outside IOI's own folder, which servers never see`,
      });
    }
  }
  throw failWith({ code: "E_CLI_MCP_PROGRAM", message: `there is no program ${name}` });
};

const interpreters = /^(?:node|nodejs|deno|bun|python3?(?:\.\d+)?|ruby|perl|php|bash|sh)$/;

/** The script that an interpreter is told to run: its first argument that is a file. */
const scriptOf = (
  { io }: CommandContext,
  program: string,
  args: readonly string[],
): number | undefined => {
  if (!interpreters.test(basename(program))) return undefined;
  const at = args.findIndex((arg) => !arg.startsWith("-") && isFile(resolve(io.cwd, arg)));
  return at === -1 ? undefined : at;
};

/** The folder that holds a script and what it loads: its outermost `node_modules`, or its package. */
const packageFolder = (script: string): string => {
  const parts = script.split("/");
  const modules = parts.indexOf("node_modules");
  if (modules > 1) return parts.slice(0, modules + 1).join("/");
  for (let folder = dirname(script); folder !== "/"; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json")) || existsSync(join(folder, "pyproject.toml"))) {
      return folder;
    }
  }
  return dirname(script);
};

/** `bin/x` of an installation outside the system's folders needs the installation. */
const programFolder = (program: string): string => {
  const folder = dirname(program);
  return basename(folder) === "bin" && dirname(folder) !== "/" ? dirname(folder) : folder;
};

const hashOf = async (path: string): Promise<Uint8Array> => {
  if (statSync(path).size > programBytesMax) {
    throw failWith({ code: "E_CLI_MCP_PROGRAM", message: `${path} is too large to be hashed` });
  }
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  return Uint8Array.from(hash.digest());
};

const folderOption = (context: CommandContext, option: string, given: string): string => {
  const path = resolve(context.io.cwd, given);
  if (!isFolder(path)) throw usage(`${option}: ${path} is not a folder`);
  return realpathSync(path);
};

/** `NAME=VALUE`, or `NAME` for what the environment says. */
const environmentOf = (
  { io }: CommandContext,
  given: readonly string[],
): Readonly<Record<string, string>> => {
  const env: Record<string, string> = {};
  for (const each of given) {
    const at = each.indexOf("=");
    const name = at === -1 ? each : each.slice(0, at);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw usage(`--env takes NAME or NAME=VALUE, not "${each}"`);
    }
    const value = at === -1 ? io.env[name] : each.slice(at + 1);
    if (value === undefined) throw usage(`--env ${name}: the environment has no ${name}`);
    env[name] = value;
  }
  return env;
};

class Roots {
  readonly #folders: Map<string, boolean> = new Map();

  add(path: string, write: boolean): void {
    if (isSystem(path)) return;
    this.#folders.set(path, write || this.#folders.get(path) === true);
  }

  get all(): ServerDraft["roots"] {
    return [...this.#folders].map(([path, write]) => ({ path, write }));
  }
}

const remote = (url: string, options: ServerOptions): ServerDraft => {
  const parsed = URL.parse(url);
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol)) {
    throw usage(`--url takes an address with http or https, not "${url}"`);
  }
  const { href } = parsed;
  if ((options.network ?? []).length > 0) {
    throw usage("--network is for a server that runs here; one behind --url has its own");
  }
  return {
    argv: [],
    url: href,
    secret: options.secret ?? "",
    cwd: "",
    env: {},
    files: [],
    roots: [],
    network: [],
  };
};

/** Everything about a server but its name, policy and pinning. */
export const describeServer = async (
  context: CommandContext,
  command: readonly string[],
  options: ServerOptions,
): Promise<ServerDraft> => {
  const { url } = options;
  if ((url === undefined) === (command.length === 0)) {
    throw usage("a server is a command behind --, or an address behind --url");
  }
  if (url !== undefined) return remote(url, options);
  const { cwd: here } = context.io;
  const [name = "", ...args] = withoutRunner(context, command);
  const program = findProgram(context, name);
  const real = realpathSync(program);
  const roots = new Roots();
  roots.add(programFolder(real), false);
  if (dirname(program) !== dirname(real)) roots.add(dirname(program), false);
  const files = [{ path: real, sha256: await hashOf(real) }];
  const argv = [program, ...args];
  const at = scriptOf(context, program, args);
  if (at !== undefined) {
    const script = realpathSync(resolve(here, args[at] ?? ""));
    argv[at + 1] = script;
    files.push({ path: script, sha256: await hashOf(script) });
    const folder = packageFolder(script);
    const home = context.io.env["HOME"] ?? "";
    if (within(home, folder)) {
      const message = `${script} lies in ${folder}, which holds all that is yours`;
      throw failWith({
        code: "E_CLI_MCP_PROGRAM",
        message,
        next: "Put it into a folder of its own.",
      });
    }
    roots.add(folder, false);
  }
  for (const [index, arg] of args.entries()) {
    const path = resolve(here, arg);
    if (arg.startsWith("-") || index === at || !isFolder(path) || !/[/.~]/.test(arg)) continue;
    argv[index + 1] = realpathSync(path);
    if (options.folders !== false) roots.add(realpathSync(path), true);
  }
  for (const each of options.read ?? []) roots.add(folderOption(context, "--read", each), false);
  for (const each of options.write ?? []) roots.add(folderOption(context, "--write", each), true);
  const cwd = options.cwd === undefined ? "/tmp" : folderOption(context, "--cwd", options.cwd);
  if (cwd !== "/tmp") roots.add(cwd, false);
  const env = environmentOf(context, options.env ?? []);
  const network = (options.network ?? []).map(placeOf);
  return { argv, url: "", secret: "", cwd, env, files, roots: roots.all, network };
};

/** A name for a server that was given none: the last word of its command that says something. */
export const nameOf = (command: readonly string[], url: string | undefined): string => {
  const words =
    url === undefined
      ? command.slice(1).filter((word) => !word.startsWith("-"))
      : [URL.parse(url)?.hostname ?? ""];
  const word = words.find((each) => /[a-z]/i.test(each)) ?? command[0] ?? "server";
  const parts = word.split("/").filter((each) => each !== "");
  const modules = parts.lastIndexOf("node_modules");
  const inner = modules === -1 ? parts.slice(-1) : parts.slice(modules + 1, modules + 3);
  const last = inner.findLast((each) => !/^(?:dist|index\.[cm]?[jt]s)$/.test(each)) ?? "server";
  const plain = last
    .toLowerCase()
    .replace(/@[^@]*$/, "")
    .replace(/\.[cm]?[jt]s$|\.py$/, "")
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/^(?:mcp-)?(?:server-)?/, "")
    .replace(/^[^a-z]+|-+$/g, "");
  return plain === "" ? "server" : plain.slice(0, 48);
};
