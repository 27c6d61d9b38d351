/**
 * The tool that makes the namespaces, behind a small interface: the runtime has threads, so it
 * cannot do this by itself. Found by absolute path, never through PATH. Whether it works is
 * decided by the self-test, never by a version.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { err, ok, type Rejection, type Result } from "@ioi/base";
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

const unshareTool = (unshare: string, setpriv: string): NamespaceTool => ({
  name: "unshare",
  path: unshare,
  version: () => {
    const answer = spawnSync(unshare, ["--version"], { env: {}, encoding: "utf8" });
    return (answer.stdout ?? "").trim().split(" ").at(-1) ?? "";
  },
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

let found: NamespaceTool | null = null;

export const namespaceTool = (): Result<NamespaceTool, Rejection<"E_SANDBOX_TOOL">> => {
  if (found !== null) return ok(found);
  const unshare = findProgram("unshare");
  const setpriv = findProgram("setpriv");
  if (unshare === null || setpriv === null) {
    const missing = unshare === null ? "unshare" : "setpriv";
    return err({ code: "E_SANDBOX_TOOL", message: `${missing} is not in ${folders.join(", ")}` });
  }
  found = unshareTool(unshare, setpriv);
  return ok(found);
};
