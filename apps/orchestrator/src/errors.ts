/** Errors of the Orchestrator's ports. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_PORT_BUSY: {
    what: "No port near the wanted one is free.",
    why: "Other programs listen on all of them.",
    next: "Choose another with --port, or 0 for any free one.",
    exit: 5,
  },
  E_PEER_LIMIT: {
    what: "The public port takes no more from this peer now.",
    why: "It called too often, or has too many streams open.",
    next: "Wait a second, then call again.",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
