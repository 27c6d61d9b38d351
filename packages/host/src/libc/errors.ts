/** Errors of the system call layer. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_LIBC: {
    what: "A system call was refused by the kernel.",
    why: "The kernel is too old, or a security module forbids the call.",
    next: "ioi doctor",
    exit: 7,
  },
} as const satisfies ErrorCatalogue;
