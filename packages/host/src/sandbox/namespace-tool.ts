/**
 * The tool that makes the namespaces, behind a small interface: the runtime has threads, so it
 * cannot do this by itself. Found by absolute path, never through PATH. Whether it works is
 * decided by the self-test, never by a version.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { err, ok, type Rejection, type Result } from "@ioi/base";
import { namespaceTrialMs } from "./limits.ts";
import type { SandboxNetwork } from "./spec.ts";

export interface NamespaceRequest {
  readonly network: SandboxNetwork;
  /** What the caller's user and group are called inside. */
  readonly user: number;
  readonly group: number;
}

export interface NamespaceTool {
  readonly name: string;
  readonly path: string;
  /** The command that runs `inner` as the first process of fresh namespaces and dies with us. */
  wrap(request: NamespaceRequest, inner: readonly string[]): readonly string[];
  version(): string;
  /** An empty network gets its loopback device up. */
  readonly raisesLoopback: boolean;
}

const folders = ["/usr/bin", "/bin", "/usr/local/bin"];

export const findProgram = (name: string): string | null => {
  for (const folder of folders) {
    try {
      accessSync(`${folder}/${name}`, constants.X_OK);
      return `${folder}/${name}`;
    } catch {
      continue;
    }
  }
  return null;
};

const versionOf = (program: string): string => {
  const answer = spawnSync(program, ["--version"], { env: {}, encoding: "utf8" });
  return (answer.stdout ?? "").trim().split(" ").at(-1) ?? "";
};

const unshareTool = (unshare: string, setpriv: string): NamespaceTool => ({
  name: "unshare",
  path: unshare,
  raisesLoopback: false,
  version: () => versionOf(unshare),
  wrap: (request, inner) => [
    setpriv,
    "--pdeathsig",
    "KILL",
    "--",
    unshare,
    `--map-user=${request.user}`,
    `--map-group=${request.group}`,
    "--keep-caps",
    "--mount",
    "--propagation",
    "private",
    "--pid",
    "--fork",
    "--kill-child=KILL",
    "--ipc",
    "--uts",
    ...(request.network !== "host" ? ["--net"] : []),
    "--",
    ...inner,
  ],
});

/**
 * Bubblewrap makes the same namespaces; what it lays out itself is the machine's own tree, which the
 * confiner then covers as ever. It also brings the loopback device of an empty network up, for which
 * it needs a socket.
 */
const bwrapTool = (bwrap: string): NamespaceTool => ({
  name: "bwrap",
  path: bwrap,
  raisesLoopback: true,
  version: () => versionOf(bwrap),
  wrap: ({ user, group, network }, inner) => [
    bwrap,
    "--unshare-user",
    "--uid",
    String(user),
    "--gid",
    String(group),
    "--unshare-pid",
    "--as-pid-1",
    "--die-with-parent",
    "--unshare-ipc",
    "--unshare-uts",
    ...(network !== "host" ? ["--unshare-net"] : []),
    "--cap-add",
    "ALL",
    "--dev-bind",
    "/",
    "/",
    "--",
    ...inner,
  ],
});

const missing = (name: string): string => `${name} is not in ${folders.join(", ")}`;

/** Every tool of this machine in the order of preference, or why it is none. */
const candidates = (): readonly (NamespaceTool | string)[] => {
  const unshare = findProgram("unshare");
  const setpriv = findProgram("setpriv");
  const bwrap = findProgram("bwrap");
  return [
    unshare === null
      ? missing("unshare")
      : setpriv === null
        ? missing("setpriv")
        : unshareTool(unshare, setpriv),
    bwrap === null ? missing("bwrap") : bwrapTool(bwrap),
  ];
};

/** What a tool makes, tried with a mount of its own: empty where it works. */
const failureOf = (tool: NamespaceTool): string => {
  const mount = findProgram("mount");
  if (mount === null) return "";
  const request = { network: "none", user: 1000, group: 1000 } as const;
  const [first = "", ...rest] = tool.wrap(request, [mount, "-t", "tmpfs", "none", "/"]);
  const { status, error, stderr } = spawnSync(first, rest, {
    env: {},
    cwd: "/",
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    timeout: namespaceTrialMs,
  });
  if (status === 0) return "";
  const said = error?.message ?? stderr.trim().split("\n").at(-1) ?? "";
  return `${tool.name} fails: ${said.slice(0, 200)}`;
};

export interface ChosenTool {
  readonly tool: NamespaceTool;
  /** Why it is this one. */
  readonly reason: string;
}

export type Chosen = Result<ChosenTool, Rejection<"E_SANDBOX_TOOL">>;

/**
 * The first that works. With one tool alone there is nothing to choose: whether that works is seen
 * with the first sandbox, and nobody waits for a trial.
 */
export const chooseTool = (
  all: readonly (NamespaceTool | string)[],
  failure: (tool: NamespaceTool) => string,
): Chosen => {
  const tools = all.filter((one) => typeof one !== "string");
  const [only] = tools;
  const absent = all.filter((one) => typeof one === "string");
  if (only === undefined) return err({ code: "E_SANDBOX_TOOL", message: absent.join("; ") });
  if (tools.length === 1) return ok({ tool: only, reason: absent.join("; ") });
  const failures: string[] = [];
  for (const tool of tools) {
    const failed = failure(tool);
    if (failed === "") {
      const reason = failures.length === 0 ? "the first that works" : failures.join("; ");
      return ok({ tool, reason });
    }
    failures.push(failed);
  }
  return ok({ tool: only, reason: failures.join("; ") });
};

let chosen: Chosen | null = null;

/** Tests name the tool by this; so does a sandbox that builds others to those inside. */
export const toolVariable = "IOI_NAMESPACE_TOOL";

const choose = (): Chosen => {
  const wanted = process.env[toolVariable];
  if (wanted === undefined) return chooseTool(candidates(), failureOf);
  const tool = candidates().find((one) => typeof one !== "string" && one.name === wanted);
  return tool === undefined || typeof tool === "string"
    ? err({ code: "E_SANDBOX_TOOL", message: missing(wanted) })
    : ok({ tool, reason: `${toolVariable} names it` });
};

export const chosenTool = (): Chosen => (chosen ??= choose());

export const namespaceTool = (): Result<NamespaceTool, Rejection<"E_SANDBOX_TOOL">> => {
  const result = chosenTool();
  return result.ok ? ok(result.value.tool) : result;
};
