/** Errors of the data plane. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_DATAPLANE_CLOSED: {
    what: "The shared memory of two processes is gone.",
    why: "One of them ended; what the other had not taken is lost with it.",
    next: "Try again in a moment; ./ioi status shows which process is down.",
    exit: 5,
  },
  E_DATAPLANE_BROKEN: {
    what: "A message in shared memory was not what its writer put there.",
    why: "It was changed while it was read, its checksum or seal does not fit, or the other end broke the order.",
    next: "./ioi logs shows which process ended; please report it.",
    exit: 5,
  },
  E_DATAPLANE_REGION: {
    what: "A piece of shared memory cannot be used.",
    why: "The kernel refused it, or whoever made it can still shrink it.",
    next: "ioi doctor",
    exit: 7,
  },
} as const satisfies ErrorCatalogue;
