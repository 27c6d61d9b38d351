/**
 * What our own processes do to themselves at start: they make no core file and cannot be traced by
 * a program of the same user. Source: prctl(2).
 */
import { OperationError } from "@ioi/base";
import { nr, syscall } from "./ffi.ts";

const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;

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
