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

export interface MachineSettings {
  readonly hasTool: boolean;
  /** Of a file of the kernel's, or null where there is none. */
  readonly setting: (path: string) => string | null;
}

const here = (): MachineSettings => ({ hasTool: namespaceTool().ok, setting });

/** What forbids namespaces, and what ends that: the first that is so. */
const forbidding: readonly (readonly [path: string, value: string | null, command: string])[] = [
  ["/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"],
  [
    "/proc/sys/kernel/unprivileged_userns_clone",
    "0",
    "sysctl -w kernel.unprivileged_userns_clone=1",
  ],
  [
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "1",
    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  ],
  ...["/.dockerenv", "/run/.containerenv"].map(
    (file) =>
      [
        file,
        null,
        "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined",
      ] as const,
  ),
];

/** Why namespaces do not work here, from the settings that forbid them. */
export const namespaceGap = (
  failure: string,
  { hasTool, setting: read }: MachineSettings = here(),
): SandboxGap => {
  const consequence = `no program can be confined: ${failure}`;
  const found = forbidding.find(([path, value]) => {
    const is = read(path);
    return value === null ? is !== null : is === value;
  });
  const command = hasTool ? (found?.[2] ?? "") : "apt-get install util-linux";
  return { mechanism: "namespaces", consequence, command };
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
