/**
 * What our own processes do to themselves at start: they make no core file and cannot be traced by
 * a program of the same user, they keep only the descriptors they were given, and they never again
 * gain a privilege. Sources: prctl(2), close_range(2), fcntl(2).
 */
import { readdirSync } from "node:fs";
import { OperationError } from "@ioi/base";
import { nr, syscall } from "./ffi.ts";

const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_SET_NO_NEW_PRIVS = 38;
const F_GETFD = 1;
const FD_CLOEXEC = 1n;

const control = (option: number, value: number, what: string): void => {
  const answer = syscall(nr.prctl, option, value, 0, 0, 0);
  if (!answer.ok) throw new OperationError("E_LIBC", `${what}: errno ${answer.errno}`);
};

/** No core file, no tracing and no reading of this process's memory by its own user. */
export const applyNotDumpable = (): void => control(PR_SET_DUMPABLE, 0, "not dumpable");

export const isDumpable = (): boolean => {
  const answer = syscall(nr.prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
  return !answer.ok || answer.value !== 0n;
};

/** Neither this process nor any child gains a privilege by executing a file. */
export const applyNoNewPrivileges = (): void =>
  control(PR_SET_NO_NEW_PRIVS, 1, "no new privileges");

/**
 * Closes every inherited descriptor above 2 that is not in `keep` and returns what it closed. An
 * inherited descriptor is one that survived execve, so it is not close-on-exec; the runtime's own
 * descriptors are, and stay.
 */
export const closeOtherFds = (keep: readonly number[]): readonly number[] => {
  const kept = new Set(keep);
  const closed: number[] = [];
  for (const name of readdirSync("/proc/self/fd")) {
    const descriptor = Number(name);
    if (descriptor <= 2 || kept.has(descriptor)) continue;
    const flags = syscall(nr.fcntl, descriptor, F_GETFD);
    if (!flags.ok || (flags.value & FD_CLOEXEC) !== 0n) continue;
    if (syscall(nr.close, descriptor).ok) closed.push(descriptor);
  }
  return closed;
};
