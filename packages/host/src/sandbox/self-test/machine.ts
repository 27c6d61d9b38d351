/** What this machine offers a sandbox, what is missing, and the command that mends it. */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { nr, syscall } from "../../libc/index.ts";
import { landlockVersion } from "../landlock.ts";
import { chosenTool, namespaceTool } from "../namespace-tool.ts";

export interface SandboxMechanism {
  readonly name: string;
  readonly available: boolean;
  readonly version: string;
  readonly used: boolean;
}

export interface SandboxGap {
  readonly mechanism: string;
  readonly consequence: string;
  /** The one command that mends it; empty where only another kernel does. */
  readonly command: string;
}

const setting = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
};

/** Why namespaces do not work here, from the settings that forbid them. */
export const namespaceGap = (failure: string): SandboxGap => {
  const consequence = `no program can be confined: ${failure}`;
  const gap = (command: string): SandboxGap => ({
    mechanism: "namespaces",
    consequence,
    command,
  });
  if (!namespaceTool().ok) return gap("apt-get install util-linux");
  if (setting("/proc/sys/user/max_user_namespaces") === "0") {
    return gap("sysctl -w user.max_user_namespaces=15000");
  }
  if (setting("/proc/sys/kernel/unprivileged_userns_clone") === "0") {
    return gap("sysctl -w kernel.unprivileged_userns_clone=1");
  }
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1") {
    return gap("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
  }
  if (setting("/.dockerenv") !== null || setting("/run/.containerenv") !== null) {
    return gap(
      "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined",
    );
  }
  return gap("");
};

const seccompAvailable = (): boolean => {
  const PR_GET_SECCOMP = 21;
  return syscall(nr.prctl, PR_GET_SECCOMP, 0, 0, 0, 0).ok;
};

export interface MachineFindings {
  readonly namespaces: boolean;
  readonly overlay: boolean;
  /** The bound of processes holds in the namespace itself. */
  readonly processBound: boolean;
}

export const mechanisms = (found: MachineFindings): readonly SandboxMechanism[] => {
  const tool = chosenTool();
  const abi = landlockVersion();
  const of = (name: string, available: boolean, version: string): SandboxMechanism => ({
    name,
    available,
    version,
    used: available && found.namespaces,
  });
  return [
    of("namespaces", found.namespaces, `linux ${release()}`),
    tool.ok
      ? of(tool.value.tool.name, true, `${tool.value.tool.version()} (${tool.value.reason})`)
      : of("unshare", false, ""),
    of("landlock", abi > 0, `abi ${abi}`),
    of("seccomp", seccompAvailable(), process.arch),
    of("overlay", found.overlay, ""),
    of("process-bound", found.processBound, ""),
  ];
};

export const gaps = (found: MachineFindings): readonly SandboxGap[] => {
  const abi = landlockVersion();
  const list: SandboxGap[] = [];
  const add = (mechanism: string, consequence: string, command = ""): void => {
    list.push({ mechanism, consequence, command });
  };
  if (abi === 0) add("landlock", "files are confined by mounts alone");
  else if (abi < 6) add("landlock", "abstract sockets of the host network are not confined");
  if (!seccompAvailable()) add("seccomp", "kernel surface is not reduced");
  if (!found.overlay) add("overlay", "commands and terminals run on bounded copies of the folders");
  if (!found.processBound && process.getuid?.() === 0) {
    add("process-bound", "as root the number of processes is not bounded");
  }
  return list;
};

/** What holds less than it may seem, on every machine. */
export const caveats: readonly string[] = [
  "memory is bounded for each process, not for a sandbox as a whole; shared memory is not counted",
  "as root the processes of a session's commands are bounded together, not each command's",
  "a program of the same user outside a sandbox is not confined by any of this",
];
