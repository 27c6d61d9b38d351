/**
 * Servers that are started by `npx`: what it would run, where it has downloaded that already. Behind
 * the gate there is no network, and what is confirmed is a file with a hash, not a name to look up.
 *
 * Source: npm's cache of `npx`, `_npx/<hash>/node_modules`.
 */
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { CommandContext } from "../../context.ts";
import { failWith } from "../../report.ts";

interface Wanted {
  readonly name: string;
  /** Exact; undefined: any. */
  readonly version: string | undefined;
  readonly rest: readonly string[];
}

/** `npx [-y] NAME[@VERSION] ARGUMENTS`; undefined for anything else that npx can do. */
const wantedOf = (args: readonly string[]): Wanted | undefined => {
  let at = 0;
  while (["-y", "--yes", "-q", "--quiet"].includes(args[at] ?? "")) at++;
  const spec = /^((?:@[^/@]+\/)?[^/@]+)(?:@(.+))?$/.exec(args[at] ?? "");
  if (spec === null || (args[at] ?? "").startsWith("-")) return undefined;
  const version = spec[2] === undefined || spec[2] === "latest" ? undefined : spec[2];
  return { name: spec[1] ?? "", version, rest: args.slice(at + 1) };
};

interface Manifest {
  readonly version?: unknown;
  readonly bin?: unknown;
}

/** The file behind a package's only, or equally named, command. */
const binOf = (folder: string, name: string): string | undefined => {
  const text = readFileSync(join(folder, "package.json"), "utf8");
  const { bin } = JSON.parse(text) as Manifest;
  if (typeof bin === "string") return join(folder, bin);
  if (typeof bin !== "object" || bin === null) return undefined;
  const entries = Object.entries(bin as Readonly<Record<string, unknown>>);
  const own = entries.find(([command]) => command === basename(name)) ?? entries[0];
  return typeof own?.[1] === "string" ? join(folder, own[1]) : undefined;
};

interface Found {
  readonly bin: string;
  readonly version: string;
  readonly atMs: number;
}

const foundIn = (cache: string, { name, version }: Wanted): readonly Found[] => {
  let hashes: readonly string[];
  try {
    hashes = readdirSync(cache);
  } catch {
    return [];
  }
  return hashes.flatMap((hash) => {
    const folder = join(cache, hash, "node_modules", name);
    try {
      const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
      const bin = binOf(folder, name);
      const there = String(manifest.version);
      if (bin === undefined || (version !== undefined && version !== there)) return [];
      return [{ bin: realpathSync(bin), version: there, atMs: statSync(folder).mtimeMs }];
    } catch {
      return [];
    }
  });
};

const cannot = (message: string, next: string): Error =>
  failWith({ code: "E_CLI_MCP_RUNNER", message, next });

/** Runners that download what they run: nothing of theirs is a file to confirm. */
const others: ReadonlySet<string> = new Set(["uvx", "pipx", "bunx", "docker", "podman"]);

/** The command as it is to be run: with `npx`, the file that it would run. */
export const withoutRunner = (
  { io }: CommandContext,
  command: readonly string[],
): readonly string[] => {
  const [program = "", ...args] = command;
  const runner = basename(program);
  if (others.has(runner)) {
    throw cannot(
      `${runner} fetches what it runs, and behind the gate there is no network`,
      "Install the server and name its program behind --.",
    );
  }
  if (runner !== "npx") return command;
  const wanted = wantedOf(args);
  const shown = command.join(" ");
  if (wanted === undefined) {
    throw cannot(`${shown}: only npx [-y] PACKAGE can be looked up`, "Name its file behind --.");
  }
  const cache = join(io.env["npm_config_cache"] ?? join(io.env["HOME"] ?? "/", ".npm"), "_npx");
  const [newest] = [...foundIn(cache, wanted)].sort((a, b) => b.atMs - a.atMs);
  if (newest === undefined) {
    throw cannot(
      `${wanted.name} is not in npm's cache, and behind the gate there is no network`,
      `npx -y ${wanted.name} --help once, then again; or install it and name its file behind --.`,
    );
  }
  return ["node", newest.bin, ...wanted.rest];
};
