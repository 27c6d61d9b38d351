/** Errors of a process of the kernel before it runs. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_PROCESS_CONFIG: {
    what: "A process of the kernel got no readable configuration.",
    why: "It was started by hand; only the launcher starts the kernel's processes.",
    next: "Start the kernel with ./ioi start.",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
