/** Attempts on other processes and on the program's own bonds. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { setPriority } from "node:os";
import { pointerTo } from "../../libc/index.ts";
import {
  calls,
  describe,
  done,
  invoke,
  refused,
  seesCanary,
  seesText,
  tried,
} from "./attempt-tools.ts";
import {
  leakVariable,
  type Attempt,
  type AttemptFunction,
  type SceneFacts,
} from "./scene-facts.ts";

/** Numbers differ inside: a process counts as the victim only if it carries the canary. */
const isVictim = (facts: SceneFacts, pid: number | string): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(facts.canary);
  } catch {
    return false;
  }
};

const seesVictim = (facts: SceneFacts): Attempt => {
  for (const name of readdirSync("/proc")) {
    if (/^\d+$/.test(name) && isVictim(facts, name)) return done(`as ${name}`);
  }
  return refused("not seen");
};

/** The start of the victim's first mapping; an address that exists nowhere without its map. */
const victimAddress = (facts: SceneFacts): number => {
  const line = readFileSync(`/proc/${facts.victim}/maps`, "utf8").split("-")[0] ?? "0";
  return Number.parseInt(line, 16);
};

const readsMemory = (facts: SceneFacts): Attempt => {
  if (!isVictim(facts, facts.victim)) return refused("not seen");
  return tried(() => {
    const memory = openSync(`/proc/${facts.victim}/mem`, "r");
    try {
      readSync(memory, Buffer.alloc(8), 0, 8, victimAddress(facts));
    } finally {
      closeSync(memory);
    }
  });
};

const readsByCall = (facts: SceneFacts): Attempt => {
  let address: number;
  try {
    address = victimAddress(facts);
  } catch {
    address = 4096;
  }
  const buffer = Buffer.alloc(8);
  const local = Buffer.alloc(16);
  local.writeBigUInt64LE(pointerTo(buffer), 0);
  local.writeBigUInt64LE(8n, 8);
  const remote = Buffer.alloc(16);
  remote.writeBigUInt64LE(BigInt(address), 0);
  remote.writeBigUInt64LE(8n, 8);
  return calls("process_vm_readv", [facts.victim, local, 1, remote, 1, 0]);
};

const takesDescriptor = (facts: SceneFacts): Attempt => {
  const handle = invoke("pidfd_open", facts.victim, 0);
  if (!handle.ok) return refused(`errno ${handle.errno}`);
  const answer = calls("pidfd_getfd", [handle.value, 0, 0], true);
  invoke("close", handle.value);
  return answer;
};

const PTRACE_SEIZE = 0x4206;
const SIGWINCH = 28;

const signalsByHandle = (facts: SceneFacts): Attempt => {
  const handle = invoke("pidfd_open", facts.victim, 0);
  if (!handle.ok) return refused(`errno ${handle.errno}`);
  const answer = calls("pidfd_send_signal", [handle.value, SIGWINCH, null, 0]);
  invoke("close", handle.value);
  return answer.done && !isVictim(facts, facts.victim) ? refused("another process") : answer;
};

const raisesLimit = (): Attempt => {
  const RLIMIT_MEMLOCK = 8;
  const limit = Buffer.alloc(16);
  invoke("prlimit64", 0, RLIMIT_MEMLOCK, null, limit);
  limit.writeBigUInt64LE(limit.readBigUInt64LE(8) + 1n, 8);
  return calls("prlimit64", [0, RLIMIT_MEMLOCK, limit, null]);
};

const readsEnvironment = (): Attempt => {
  if (process.env[leakVariable] !== undefined) return done("its own");
  for (const pid of ["self", "1", String(process.ppid)]) {
    if (seesText(`/proc/${pid}/environ`, `${leakVariable}=`).done)
      return done(`/proc/${pid}/environ`);
  }
  return refused("not seen");
};

const capabilities = (): Attempt => {
  const text = readFileSync("/proc/self/status", "utf8");
  const sets = [...text.matchAll(/^Cap(Prm|Eff|Bnd|Amb):\s+([0-9a-f]+)$/gm)];
  const held = sets.filter((found) => !/^0+$/.test(found[2] ?? ""));
  return held.length === 0 ? refused("none") : done(held.map((found) => found[0]).join(" "));
};

/** Whether the kernel would let an executed file give privileges. */
const gainsPrivileges = (): Attempt =>
  /^NoNewPrivs:\s+1$/m.test(readFileSync("/proc/self/status", "utf8"))
    ? refused("no new privileges")
    : done("set-user-ID files work");

const changesUser = (): Attempt => {
  try {
    process.seteuid?.(12_345);
  } catch (error) {
    return refused(describe(error));
  }
  process.seteuid?.(process.getuid?.() ?? 0);
  return done();
};

export const processAttempts: Readonly<Record<string, AttemptFunction>> = {
  "see-outside-process": seesVictim,
  "proc-self-root": (facts) => seesCanary(facts, `/proc/self/root${facts.outside}/canary.txt`),
  "proc-first-root": (facts) => seesCanary(facts, `/proc/1/root${facts.outside}/canary.txt`),
  "proc-parent-root": (facts) =>
    seesCanary(facts, `/proc/${process.ppid}/root${facts.outside}/canary.txt`),
  "proc-victim-root": (facts) =>
    seesCanary(facts, `/proc/${facts.victim}/root${facts.outside}/canary.txt`),
  "proc-victim-cwd": (facts) => seesCanary(facts, `/proc/${facts.victim}/cwd/canary.txt`),
  "proc-victim-descriptor": (facts) => seesCanary(facts, `/proc/${facts.victim}/fd/0`),
  "proc-victim-environment": (facts) =>
    seesText(`/proc/${facts.victim}/environ`, `${leakVariable}=`),
  "proc-victim-memory": readsMemory,
  "process-vm-read": readsByCall,
  "pidfd-getfd": takesDescriptor,
  ptrace: (facts) => calls("ptrace", [PTRACE_SEIZE, facts.victim, 0, 0]),
  "signal-outside": (facts) => {
    try {
      process.kill(facts.victim, "SIGWINCH");
    } catch (error) {
      return refused(describe(error));
    }
    return isVictim(facts, facts.victim) ? done() : refused("another process");
  },
  "signal-by-handle": signalsByHandle,
  "raise-priority": () => tried(() => setPriority(0, -5)),
  "raise-limit": raisesLimit,
  "leave-parent-death": () => calls("prctl", [1, 0, 0, 0, 0]),
  "shared-memory-segment": (facts) => calls("shmget", [facts.sharedMemoryKey, 0, 0]),
  "read-environment": readsEnvironment,
  "hold-capability": capabilities,
  "gain-privileges": gainsPrivileges,
  "change-user": changesUser,
};
