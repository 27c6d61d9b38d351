/**
 * What a sandbox is, as plain data, and the check of it. Paths are absolute, lexically normal and
 * stand at the same place inside and outside.
 */
import { err, ok, type Rejection, type Result } from "@ioi/base";
import { sandboxPathsMax } from "./limits.ts";

export type SandboxKind =
  | "guardian"
  | "workload"
  | "orchestrator"
  | "egress"
  | "console"
  | "files"
  | "exec"
  | "shell"
  | "command"
  | "net"
  | "model"
  | "agent"
  | "mcp"
  | "memory";

/**
 * `none`: no socket but by inheritance. `own`: an empty network namespace in which sockets may be
 * made; with a `bridge` its loopback device is up and one port leads out, over a descriptor that the
 * program never has. `host`: the machine's.
 */
export type SandboxNetwork = "none" | "own" | "host";

export interface SandboxBind {
  readonly path: string;
  /** What is shown there; absent: the same path outside. */
  readonly from?: string;
  readonly access: "read" | "write";
}

/**
 * The folder `lower` seen through a layer: what is written goes to `upper`, `lower` stays. The
 * layers may stand below `lower`; the program never sees them.
 */
export interface SandboxOverlay {
  readonly lower: string;
  readonly upper: string;
  readonly work: string;
}

export interface SandboxLimits {
  /** Private writable memory of one process. */
  readonly memoryBytes?: number;
  readonly processes?: number;
  /** The largest file a process may write. */
  readonly fileBytes?: number;
  readonly openFiles?: number;
  readonly cpuSeconds?: number;
  readonly tmpBytes?: number;
}

export interface SandboxSpec {
  readonly name: string;
  readonly kind: SandboxKind;
  readonly binds: readonly SandboxBind[];
  /**
   * Never visible, even below a bind. A mask that names nothing is passed over. The masks of a
   * sandbox also hold in every sandbox that is built inside it.
   */
  readonly masks: readonly string[];
  readonly network: SandboxNetwork;
  /**
   * Unix stream sockets may be connected: to those that a bind shows, since the network namespace,
   * and with it every abstract name, is empty. Default: a socket comes only by inheritance.
   */
  readonly unixSockets?: boolean;
  /**
   * The program is trusted to build sandboxes of its own. It then has no Landlock file rules
   * (the kernel forbids mounts to a process that has them), only its view of the file system.
   */
  readonly mayCreateNamespaces: boolean;
  readonly limits: SandboxLimits;
  readonly overlay?: readonly SandboxOverlay[];
}

/** `path` is absolute, has no empty, `.` or `..` part, no trailing slash and no NUL. */
export const isPlainPath = (path: string): boolean =>
  path.startsWith("/") &&
  path.length > 1 &&
  path.length < 4096 &&
  !path.includes("\0") &&
  path
    .slice(1)
    .split("/")
    .every((part) => part !== "" && part !== "." && part !== "..");

/** Whether `path` is `folder` or below it. */
export const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`);

const reserved = ["/proc", "/sys", "/dev"];

export const environmentName = /^[A-Za-z_][A-Za-z0-9_]*$/;

const wrong = (message: string): Result<never, Rejection<"E_SANDBOX_SPEC">> =>
  err({ code: "E_SANDBOX_SPEC", message });

export const checkSpec = (spec: SandboxSpec): Result<SandboxSpec, Rejection<"E_SANDBOX_SPEC">> => {
  if (!/^[a-z0-9][a-z0-9.-]{0,62}$/.test(spec.name)) return wrong(`name ${spec.name}`);
  const overlays = spec.overlay ?? [];
  const shown = [...spec.binds.map((bind) => bind.path), ...overlays.map((one) => one.lower)];
  const from = spec.binds.flatMap((bind) => bind.from ?? []);
  const all = [
    ...shown,
    ...from,
    ...spec.masks,
    ...overlays.flatMap((one) => [one.upper, one.work]),
  ];
  if (all.length > sandboxPathsMax) return wrong(`more than ${sandboxPathsMax} paths`);
  for (const path of all) if (!isPlainPath(path)) return wrong(`path ${JSON.stringify(path)}`);
  for (const path of shown) {
    if (reserved.some((folder) => isWithin(path, folder))) return wrong(`${path} is reserved`);
  }
  if (new Set(shown).size !== shown.length) return wrong("a path is shown twice");
  if (spec.kind === "command" && spec.mayCreateNamespaces) {
    return wrong("a command may not create namespaces");
  }
  for (const [name, value] of Object.entries(spec.limits)) {
    if (!Number.isSafeInteger(value) || value < 1) return wrong(`limit ${name}`);
  }
  return ok(spec);
};
