/**
 * The named escapes: what each tries and for which kinds it means nothing, because the kind is
 * given that power on purpose.
 */
import type { SandboxKind } from "../spec.ts";

/** The kinds under test; a command is tried alone and below a driver with an overlay. */
export type TestedKind = SandboxKind | "command-in-driver";

export const testedKinds: readonly TestedKind[] = [
  "guardian",
  "workload",
  "orchestrator",
  "egress",
  "console",
  "files",
  "net",
  "model",
  "exec",
  "shell",
  "mcp",
  "memory",
  "agent",
  "command",
  "command-in-driver",
];

export interface EscapeEntry {
  readonly id: string;
  readonly what: string;
  /** Kinds that have this power by design. */
  readonly granted?: readonly TestedKind[];
}

const direct: readonly TestedKind[] = testedKinds.filter((kind) => kind !== "command-in-driver");

/** They build sandboxes of their own. */
const builders: readonly TestedKind[] = ["exec", "shell", "mcp"];

/** They are given no folder of the person's; the others are, or one of their own in its place. */
const withoutWorkspace: ReadonlySet<TestedKind> = new Set([
  "egress",
  "net",
  "model",
  "memory",
  "agent",
]);
const withWorkspace = testedKinds.filter((kind) => !withoutWorkspace.has(kind));
const withNetwork: readonly TestedKind[] = ["orchestrator", "egress"];
/** They may make sockets; those of `exec` and `shell` are in a namespace without any device. */
const withSockets: readonly TestedKind[] = [...withNetwork, "exec", "shell"];

/** Tried by one probe inside each kind and once outside. */
export const probeEntries: readonly EscapeEntry[] = [
  { id: "read-outside", what: "read a file outside the grant" },
  { id: "list-outside", what: "list a folder outside the grant" },
  { id: "write-outside", what: "create a file outside the grant" },
  { id: "execute-outside", what: "run a program outside the grant" },
  { id: "read-dotdot", what: "leave the grant by .." },
  { id: "read-through-link", what: "leave the grant by a symbolic link" },
  { id: "read-through-hard-link", what: "leave the grant by a hard link" },
  { id: "open-by-handle", what: "open a file outside by its kernel handle" },
  { id: "read-workspace", what: "read in the person's folder", granted: withWorkspace },
  { id: "write-workspace", what: "write to the person's folder", granted: withWorkspace },
  { id: "see-home", what: "see what stands in the home folder" },
  { id: "read-data-folder", what: "read in the kernel's data folder" },
  { id: "write-data-folder", what: "write to the kernel's data folder" },
  {
    id: "read-vault",
    what: "read the driver's own folder",
    granted: [...builders, "net", "model", "memory"],
  },
  { id: "write-below-overlay", what: "write through the overlay to the folder", granted: direct },
  { id: "read-masked-folder", what: "read below a masked folder" },
  { id: "read-masked-file", what: "read a masked file" },
  { id: "read-masked-deep", what: "read below a mask two levels down" },
  { id: "read-inherited-mask", what: "read below a mask of the outer sandbox" },
  { id: "write-masked-file", what: "open a masked file for writing" },
  { id: "move-masked-folder", what: "rename a masked folder" },
  { id: "move-parent-of-mask", what: "rename the folder above a mask" },
  { id: "unmount-mask", what: "unmount a mask" },
  { id: "write-read-only", what: "open a read-only file for writing" },
  { id: "truncate-read-only", what: "truncate a read-only file" },
  { id: "create-in-read-only", what: "create in a read-only folder" },
  { id: "chmod-read-only", what: "change the mode of a read-only file" },
  { id: "remount-read-only", what: "remount a read-only folder for writing" },
  { id: "write-code", what: "open the system's own code for writing" },
  { id: "change-owner", what: "give a file to another user" },
  { id: "read-shared-memory-file", what: "read another program's /dev/shm file" },
  { id: "device-block-node", what: "make a block device" },
  { id: "device-character-node", what: "make a character device" },
  { id: "device-disk", what: "open a disk" },
  { id: "device-memory", what: "open the machine's memory or kernel log device" },
  { id: "sys-read", what: "read kernel interfaces below /sys" },
  { id: "cgroup-read", what: "see control groups" },
  { id: "proc-sys-write", what: "write a kernel setting below /proc/sys" },
  { id: "proc-sysrq", what: "open the system request trigger" },
  { id: "proc-kcore", what: "open kernel memory below /proc" },
  { id: "proc-kallsyms", what: "read kernel addresses" },
  { id: "proc-keys", what: "list kernel keys" },
  { id: "inherited-descriptor", what: "use a descriptor that the parent leaks" },
  { id: "see-outside-process", what: "see a process outside" },
  { id: "proc-self-root", what: "leave by /proc/self/root" },
  { id: "proc-first-root", what: "leave by /proc/1/root" },
  { id: "proc-parent-root", what: "leave by the root of the parent" },
  { id: "proc-victim-root", what: "leave by the root of another process" },
  { id: "proc-victim-cwd", what: "leave by the working directory of another process" },
  { id: "proc-victim-descriptor", what: "open a descriptor of another process" },
  { id: "proc-victim-environment", what: "read the environment of another process" },
  { id: "proc-victim-memory", what: "read the memory of another process by file" },
  { id: "process-vm-read", what: "read the memory of another process by call" },
  { id: "pidfd-getfd", what: "take a descriptor from another process" },
  { id: "ptrace", what: "trace another process" },
  { id: "signal-outside", what: "send a signal to a process outside" },
  { id: "signal-by-handle", what: "send a signal through a process handle" },
  { id: "raise-priority", what: "raise its own priority" },
  { id: "raise-limit", what: "raise a hard limit" },
  { id: "leave-parent-death", what: "outlive its parent", granted: builders },
  { id: "shared-memory-segment", what: "attach another program's shared memory" },
  { id: "read-environment", what: "read a variable of the parent's environment" },
  { id: "hold-capability", what: "hold a capability" },
  { id: "gain-privileges", what: "gain privileges by a set-user-ID file" },
  { id: "change-user", what: "become another user" },
  { id: "tcp-connect", what: "connect to a TCP listener", granted: withNetwork },
  { id: "tcp-listen", what: "listen on TCP", granted: withSockets },
  { id: "udp-send", what: "send a UDP datagram", granted: withNetwork },
  { id: "name-lookup", what: "ask a name server", granted: withNetwork },
  {
    id: "unix-connect",
    what: "connect to a Unix socket in a granted folder",
    granted: ["console"],
  },
  { id: "unix-abstract-connect", what: "connect to an abstract Unix socket" },
  { id: "unix-datagram-redirect", what: "point a datagram pair at a Unix socket" },
  { id: "socket-netlink", what: "open a routing netlink socket", granted: withSockets },
  { id: "socket-netlink-audit", what: "open an audit netlink socket" },
  { id: "socket-raw", what: "open a raw internet socket" },
  { id: "socket-packet", what: "open a packet socket" },
  { id: "socket-vsock", what: "open a virtual machine socket" },
  { id: "socket-crypto", what: "open a kernel crypto socket" },
  { id: "new-user-namespace", what: "make a user namespace", granted: builders },
  { id: "new-root-namespaces", what: "become root of new namespaces", granted: builders },
  { id: "new-network-namespace", what: "make a network namespace", granted: builders },
  { id: "unshare-call", what: "leave a namespace" },
  { id: "enter-namespace", what: "enter a namespace" },
  { id: "mount", what: "mount a file system" },
  { id: "file-system-open", what: "open a new file system" },
  { id: "open-tree-clone", what: "clone a tree of mounts" },
  { id: "chroot", what: "change the root" },
  { id: "set-hostname", what: "change the host name" },
  { id: "io-uring", what: "set up asynchronous calls" },
  { id: "bpf", what: "load into the kernel's virtual machine" },
  { id: "performance-counter", what: "open a performance counter" },
  { id: "userfaultfd", what: "handle page faults" },
  { id: "keyring-read", what: "open a kernel keyring" },
  { id: "keyring-add", what: "add a kernel key" },
  { id: "file-notifications", what: "watch a whole file system" },
  { id: "kernel-log", what: "read the kernel log" },
  { id: "personality", what: "switch off address randomisation" },
  { id: "terminal-input", what: "type into a terminal" },
];

/** Tried alone, because the attempt ends or exhausts the program. */
export const boundEntries: readonly EscapeEntry[] = [
  { id: "processes-bound", what: "start more processes than granted" },
  { id: "memory-bound", what: "take more memory than granted" },
  { id: "file-size-bound", what: "write a larger file than granted" },
  { id: "open-files-bound", what: "open more files than granted" },
  { id: "tmp-size-bound", what: "fill the private /tmp beyond its size" },
  { id: "cpu-bound", what: "use more processor time than granted" },
  { id: "daemon-left-behind", what: "leave a daemon behind when the program ends" },
  { id: "daemon-survives-kill", what: "leave a daemon behind when the sandbox is killed" },
  { id: "daemon-survives-parent", what: "outlive the process that started the sandbox" },
];

/** Skipped by a quick self-test: they take a second or more each. */
export const slowBounds: ReadonlySet<string> = new Set(["processes-bound", "cpu-bound"]);
