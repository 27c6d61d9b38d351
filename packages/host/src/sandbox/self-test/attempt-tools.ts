/** Small tools of the attempts: a system call, a read or a program as an answer. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { syscall } from "../../libc/index.ts";
import { refusedAlways, refusedWithoutNamespaces } from "../syscall-table.ts";
import type { Attempt, SceneFacts } from "./scene-facts.ts";

export const done = (detail = "succeeded"): Attempt => ({ done: true, detail });
export const refused = (detail: string): Attempt => ({ done: false, detail });

export const describe = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);

/** Done when `action` returns; refused when it throws. */
export const tried = (action: () => unknown): Attempt => {
  try {
    action();
    return done();
  } catch (error) {
    return refused(describe(error));
  }
};

export const seesText = (path: string, text: string): Attempt => {
  try {
    return readFileSync(path, "latin1").includes(text) ? done() : refused("other content");
  } catch (error) {
    return refused(describe(error));
  }
};

/** Done when the file shows the canary. */
export const seesCanary = (facts: SceneFacts, path: string): Attempt =>
  seesText(path, facts.canary);

const more = {
  shmget: [29, 194],
  setsid: [112, 157],
  prlimit64: [302, 261],
  socket: [41, 198],
  socketpair: [53, 199],
  connect: [42, 203],
  close: [3, 57],
  ioctl: [16, 29],
  prctl: [157, 167],
  personality: [135, 92],
  mknodat: [259, 33],
  setpriority: [141, 140],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

const numbers = { ...refusedAlways, ...refusedWithoutNamespaces, ...more };
export type CallName = keyof typeof numbers;

const column = process.arch === "arm64" ? 1 : 0;

export const invoke = (
  name: CallName,
  ...args: readonly (number | bigint | Uint8Array | null)[]
): ReturnType<typeof syscall> => syscall(numbers[name][column], ...args);

/** Done when the call succeeds; a descriptor it returns is closed. */
export const calls = (
  name: CallName,
  args: readonly (number | bigint | Uint8Array | null)[],
  returnsDescriptor = false,
): Attempt => {
  const answer = invoke(name, ...args);
  if (!answer.ok) return refused(`errno ${answer.errno}`);
  if (returnsDescriptor) invoke("close", answer.value);
  return done();
};

/** Done when the program ends with code 0. */
export const runs = (program: string, args: readonly string[]): Attempt => {
  const answer = spawnSync(program, args, { encoding: "utf8", stdio: "pipe", timeout: 5000 });
  if (answer.error !== undefined) return refused(describe(answer.error));
  return answer.status === 0 ? done() : refused((answer.stderr || `${answer.status}`).trim());
};
