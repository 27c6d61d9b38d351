/** From a description and a program to the command that starts the sandboxed program. */
import { existsSync, lstatSync, readFileSync, readlinkSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { assert, OperationError } from "@ioi/base";
import { nr } from "../libc/index.ts";
import { landlockPlan, landlockVersion } from "./landlock.ts";
import {
  sandboxBridgePort,
  sandboxPlanBytesMax,
  sandboxPlanPieceMax,
  sandboxRootBytes,
} from "./limits.ts";
import {
  mountSteps,
  noOuterSandbox,
  outerSandboxFile,
  type MachineFacts,
  type OuterSandbox,
  type SystemFolder,
} from "./mounts.ts";
import { namespaceTool, toolVariable } from "./namespace-tool.ts";
import { planVariable, sourceVariable, startedMark, type ConfinerPlan } from "./plan.ts";
import { filterBytes } from "./seccomp.ts";
import { checkSpec, environmentName, type SandboxLimits, type SandboxSpec } from "./spec.ts";

export interface SandboxedCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface CommandOptions {
  /** The working directory inside; default `/`. */
  readonly cwd?: string;
  /**
   * Descriptors above 2 that the program gets. Stdio and an IPC channel pass by themselves; any
   * other that the parent leaks is closed. Default none.
   */
  readonly descriptors?: readonly number[];
  /** Where the socket of the sandbox's way out is sent, with which words; needs `network: "own"`. */
  readonly bridge?: { readonly descriptor: number; readonly words: string };
  /** A descriptor that reports `started` or a failed set-up; the program does not get it. */
  readonly status?: number;
}

const topFolders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];

const systemFolder = (path: string): readonly SystemFolder[] => {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  return [{ path, link: stat.isSymbolicLink() ? readlinkSync(path) : null }];
};

/**
 * Root goes by another number inside: programs then do not behave as root, and a sandbox may build
 * another without the capability that mapping number 0 needs.
 */
export const insideId = (id: number): number => (id === 0 ? 1000 : id);

let facts: MachineFacts | null = null;
const machineFacts = (): MachineFacts =>
  (facts ??= {
    systemFolders: topFolders.flatMap(systemFolder),
    user: insideId(process.getuid?.() ?? 0),
    group: insideId(process.getgid?.() ?? 0),
  });

let outer: OuterSandbox | null = null;
/** Inside a sandbox that builds others, what it was told; the root it stands on is sealed. */
const outerSandbox = (): OuterSandbox =>
  (outer ??= existsSync(outerSandboxFile)
    ? (JSON.parse(readFileSync(outerSandboxFile, "utf8")) as OuterSandbox)
    : noOuterSandbox);

let landlock: number | null = null;
const landlockAbi = (): number => (landlock ??= landlockVersion());

/** In the order in which they build on each other. */
const confinerParts = ["./confiner-calls.ts", "./confiner-mounts.ts", "./confiner.ts"];

const partSource = (part: string): string =>
  stripTypeScriptTypes(readFileSync(new URL(part, import.meta.url), "utf8"), { mode: "strip" })
    .replace(/^\/\*\*[\s\S]*?\*\//, "")
    .replaceAll(/^import \{[^}]*\} from "\.\/confiner-[a-z]+\.ts";$/gm, "")
    .replaceAll(/^export (?=const |class )/gm, "");

let source: string | null = null;
/**
 * The confiner as one piece of plain JavaScript: stripping types inside every sandbox would double its
 * start.
 */
const confinerSource = (): string => (source ??= confinerParts.map(partSource).join("\n"));

/** Resource numbers of setrlimit(2). */
const resource = { cpu: 0, fileSize: 1, data: 2, core: 4, processes: 6, openFiles: 7 };

const resourceLimits = (limits: SandboxLimits): (readonly [number, number])[] => {
  const list: (readonly [number, number])[] = [[resource.core, 0]];
  if (limits.cpuSeconds !== undefined) list.push([resource.cpu, limits.cpuSeconds]);
  if (limits.fileBytes !== undefined) list.push([resource.fileSize, limits.fileBytes]);
  if (limits.memoryBytes !== undefined) list.push([resource.data, limits.memoryBytes]);
  if (limits.processes !== undefined) list.push([resource.processes, limits.processes]);
  if (limits.openFiles !== undefined) list.push([resource.openFiles, limits.openFiles]);
  return list;
};

/** A tool that was named is the tool of the sandboxes inside as well. */
const innerTool = (): Readonly<Record<string, string>> => {
  const named = process.env[toolVariable];
  return named === undefined ? {} : { [toolVariable]: named };
};

const cleanEnvironment = (spec: SandboxSpec, given: Readonly<Record<string, string>>) => {
  const env: Record<string, string> = {
    HOME: "/tmp",
    LANG: "C.UTF-8",
    PATH: "/usr/local/bin:/usr/bin:/bin",
    TMPDIR: "/tmp",
    ...(spec.mayCreateNamespaces ? innerTool() : {}),
    ...given,
  };
  for (const [name, value] of Object.entries(env)) {
    if (!environmentName.test(name) || value.includes("\0")) {
      throw new OperationError("E_SANDBOX_SPEC", `${spec.name}: environment ${name}`);
    }
  }
  return env;
};

/**
 * Children of a sandbox that outlive their parent go to its first process; one that starts many
 * programs therefore gets a shell in front that collects them. It ends with the program's code,
 * 128 + n after signal n.
 */
const withReaper = (spec: SandboxSpec, argv: readonly string[]): readonly string[] =>
  spec.kind === "command" || spec.kind === "exec" || spec.kind === "shell" || spec.kind === "mcp"
    ? ["/bin/sh", "-c", '"$@"; exit $?', "sh", ...argv]
    : argv;

const planPieces = (plan: ConfinerPlan): Record<string, string> => {
  // Escaped to ASCII, so that pieces are cut between characters.
  const text = JSON.stringify(plan).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  assert(text.length <= sandboxPlanBytesMax, "sandbox plan too long");
  const pieces: Record<string, string> = {};
  for (let index = 0; index * sandboxPlanPieceMax < text.length; index++) {
    const from = index * sandboxPlanPieceMax;
    pieces[`${planVariable}${index}`] = text.slice(from, from + sandboxPlanPieceMax);
  }
  return pieces;
};

const bridgeOf = (
  { name, network }: SandboxSpec,
  { bridge }: CommandOptions,
): ConfinerPlan["bridge"] => {
  if (bridge === undefined) return null;
  if (network !== "own")
    throw new OperationError("E_SANDBOX_SPEC", `${name}: a way out of nothing`);
  return { ...bridge, port: sandboxBridgePort };
};

const raisesLoopback = (): boolean => {
  const tool = namespaceTool();
  return tool.ok && tool.value.raisesLoopback;
};

/**
 * A tool that needs a socket for an empty network cannot make one where there are no sockets. The
 * network around is empty then as well, and nobody in it has a socket: it does instead.
 */
const sharesNetwork = ({ network }: SandboxSpec): boolean =>
  network === "none" && outerSandbox().withoutSockets && raisesLoopback();

export const sandboxPlan = (
  spec: SandboxSpec,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  options: CommandOptions,
): ConfinerPlan => ({
  nr,
  rootBytes: sandboxRootBytes,
  mounts: mountSteps(spec, machineFacts(), outerSandbox()),
  hostname: spec.name,
  cwd: options.cwd ?? "/",
  descriptors: options.descriptors ?? [],
  status: options.status ?? null,
  started: startedMark,
  bridge: bridgeOf(spec, options),
  silent: spec.network !== "host" && !sharesNetwork(spec) && raisesLoopback(),
  limits: resourceLimits(spec.limits),
  landlock: landlockPlan(spec, landlockAbi()),
  filter: Buffer.from(
    filterBytes({
      arch: process.arch === "arm64" ? "arm64" : "x64",
      network: spec.network,
      unixSockets: spec.unixSockets === true,
      mayCreateNamespaces: spec.mayCreateNamespaces,
    }),
  ).toString("base64"),
  argv: withReaper(spec, argv),
  env: cleanEnvironment(spec, env),
});

/**
 * The command to give to `child_process.spawn` with exactly this environment. `program` is an
 * absolute path inside. Killing the child (SIGKILL: others do not reach a first process) ends
 * every descendant; so does the end of the thread that spawned it. A failed set-up ends with
 * code 125 and a line on stderr.
 */
export const sandboxedCommand = (
  spec: SandboxSpec,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  options: CommandOptions = {},
): SandboxedCommand => {
  const checked = checkSpec(spec);
  if (!checked.ok) throw new OperationError(checked.error.code, checked.error.message);
  const tool = namespaceTool();
  if (!tool.ok) throw new OperationError(tool.error.code, tool.error.message);
  const plan = sandboxPlan(spec, [program, ...args], env, options);
  const confiner = [
    process.execPath,
    "--no-warnings",
    "--input-type=commonjs",
    "-e",
    `(0, eval)(process.env.${sourceVariable})`,
  ];
  const [first, ...rest] = tool.value.wrap(
    {
      network: sharesNetwork(spec) ? "host" : spec.network,
      user: machineFacts().user,
      group: machineFacts().group,
    },
    confiner,
  );
  assert(first !== undefined, "namespace tool without a command");
  return {
    program: first,
    args: rest,
    env: { [sourceVariable]: confinerSource(), ...planPieces(plan) },
  };
};
