/** Attempts on kernel surface: namespaces, mounts, tracing, keys, asynchronous calls, terminals. */
import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync } from "node:fs";
import { hostname } from "node:os";
import { cString } from "../../libc/index.ts";
import { calls, invoke, refused, runs, tried } from "./attempt-tools.ts";
import type { Attempt, AttemptFunction, SceneFacts } from "./scene-facts.ts";

const AT_FDCWD = -100;

const mountsFolder = (facts: SceneFacts): Attempt => {
  const folder = `${facts.workspace}/mount-${process.pid}`;
  mkdirSync(folder);
  const answer = calls("mount", [cString("none"), cString(folder), cString("tmpfs"), 0, null]);
  if (answer.done) invoke("umount2", cString(folder), 2);
  rmdirSync(folder);
  return answer;
};

const entersNamespace = (): Attempt => {
  let namespace: number;
  try {
    namespace = openSync("/proc/self/ns/uts", "r");
  } catch (error) {
    return refused(String(error));
  }
  const answer = calls("setns", [namespace, 0]);
  closeSync(namespace);
  return answer;
};

const bpfMap = (): Attempt => {
  const attributes = Buffer.alloc(128);
  // BPF_MAP_TYPE_ARRAY with one entry of four bytes.
  for (const [index, value] of [2, 4, 4, 1].entries()) attributes.writeUInt32LE(value, index * 4);
  return calls("bpf", [0, attributes, 128], true);
};

const performanceCounter = (): Attempt => {
  const attributes = Buffer.alloc(128);
  attributes.writeUInt32LE(1, 0);
  attributes.writeUInt32LE(128, 4);
  attributes.writeBigUInt64LE(1n << 5n, 40);
  return calls("perf_event_open", [attributes, 0, -1, -1, 0], true);
};

const typesIntoTerminal = (facts: SceneFacts): Attempt => {
  if (facts.terminal < 0) return refused("no terminal");
  const TIOCSCTTY = 0x540e;
  const TIOCSTI = 0x5412;
  invoke("setsid");
  invoke("ioctl", facts.terminal, TIOCSCTTY, 0);
  return calls("ioctl", [facts.terminal, TIOCSTI, Buffer.from("x")]);
};

const changesPersonality = (): Attempt => {
  const ADDR_NO_RANDOMIZE = 0x0040000;
  const before = invoke("personality", 0xffffffff);
  const answer = calls("personality", [ADDR_NO_RANDOMIZE]);
  if (answer.done && before.ok) invoke("personality", before.value);
  return answer;
};

const KEY_SPEC_SESSION_KEYRING = -3;
const UFFD_USER_MODE_ONLY = 1;
const CLONE_NEWUTS = 0x04000000;

export const kernelAttempts: Readonly<Record<string, AttemptFunction>> = {
  "new-user-namespace": () => runs("/usr/bin/unshare", ["--user", "/bin/true"]),
  "new-root-namespaces": () =>
    runs("/usr/bin/unshare", ["--map-root-user", "--mount", "--pid", "--fork", "/bin/true"]),
  "new-network-namespace": () =>
    runs("/usr/bin/unshare", ["--map-root-user", "--net", "/bin/true"]),
  "unshare-call": () => calls("unshare", [CLONE_NEWUTS]),
  "enter-namespace": entersNamespace,
  mount: mountsFolder,
  "file-system-open": () => calls("fsopen", [cString("tmpfs"), 1], true),
  "open-tree-clone": () => calls("open_tree", [AT_FDCWD, cString("/usr"), 1], true),
  chroot: () => calls("chroot", [cString("/")]),
  "set-hostname": () => calls("sethostname", [Buffer.from(hostname()), hostname().length]),
  "io-uring": () => calls("io_uring_setup", [2, Buffer.alloc(120)], true),
  bpf: bpfMap,
  "performance-counter": performanceCounter,
  userfaultfd: () => calls("userfaultfd", [UFFD_USER_MODE_ONLY], true),
  "keyring-read": () => calls("keyctl", [0, KEY_SPEC_SESSION_KEYRING, 1]),
  "keyring-add": () =>
    calls("add_key", [cString("user"), cString("ioi-canary"), Buffer.from("x"), 1, -2]),
  "file-notifications": () => calls("fanotify_init", [0, 0], true),
  "kernel-log": () => calls("syslog", [10, null, 0]),
  personality: changesPersonality,
  "kernel-configuration": () => tried(() => readFileSync("/proc/config.gz")),
  "terminal-input": typesIntoTerminal,
};
