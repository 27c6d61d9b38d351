/**
 * Files that exist in memory only, to hand something to a child that may read it again, and the
 * environment of this process without what was handed on. Sources: memfd_create(2), environ(7).
 */
import ffi from "node:ffi";
import { writeSync } from "node:fs";
import { OperationError } from "@ioi/base";
import { cString, nr, syscall } from "./ffi.ts";

const MFD_CLOEXEC = 1;

/** A descriptor of a file without a name that holds these bytes; read with explicit positions. */
export const memoryFile = (name: string, bytes: Uint8Array): number => {
  const made = syscall(nr.memfd_create, cString(name), MFD_CLOEXEC);
  if (!made.ok) throw new OperationError("E_LIBC", `memfd_create: errno ${made.errno}`);
  const descriptor = Number(made.value);
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, undefined, at);
  return descriptor;
};

const { functions } = ffi.dlopen("libc.so.6", {
  getenv: { arguments: ["i64"], return: "i64" },
  strlen: { arguments: ["i64"], return: "i64" },
  memset: { arguments: ["i64", "i64", "i64"], return: "i64" },
});

/**
 * Overwrites the values of variables where the kernel shows them (/proc/<pid>/environ) and forgets
 * them. Copies that this process made of them before stay until they are collected.
 */
export const forgetVariables = (names: readonly string[]): void => {
  for (const name of names) {
    const held = cString(name);
    const pointer = BigInt(functions.getenv(ffi.getRawPointer(held)) as bigint | number);
    if (pointer !== 0n) functions.memset(pointer, 0n, functions.strlen(pointer) as bigint);
    delete process.env[name];
  }
};
