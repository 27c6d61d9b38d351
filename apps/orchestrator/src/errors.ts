/** Errors of the Orchestrator's ports. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_PORT_BUSY: {
    what: "No port near the wanted one is free.",
    why: "Other programs listen on all of them.",
    next: "Choose another with --port, or 0 for any free one.",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
