/** Errors of a call between processes. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_RPC_UNAVAILABLE: {
    what: "The process at the other end of a channel is gone or does not answer.",
    why: "It was stopped, it died, or it is being restarted by the launcher.",
    next: "Try again in a moment; ./ioi status shows which process is down.",
    exit: 5,
  },
  E_RPC_DEADLINE: {
    what: "A call took longer than its deadline.",
    why: "The other process is busy or stuck.",
    next: "Try again; if it stays, ./ioi status and ./ioi logs show what the process is doing.",
    exit: 5,
  },
  E_RPC_CANCELLED: {
    what: "A call was cancelled.",
    why: "The caller stopped waiting, or the session was stopped.",
    next: "Nothing; call again if you still want the answer.",
    exit: 5,
  },
  E_RPC_TOO_LARGE: {
    what: "A message is larger than the channel accepts.",
    why: "Messages are bounded so that no caller can exhaust another process.",
    next: "Send less at once; docs/limits.md has the bound.",
    exit: 5,
  },
  E_RPC_MALFORMED: {
    what: "A message could not be decoded.",
    why: "The two ends speak different versions, or the bytes were damaged.",
    next: "Stop the kernel and start it again so that both ends are of one version.",
    exit: 5,
  },
  E_RPC_UNKNOWN_METHOD: {
    what: "The other process does not offer this method.",
    why: "The two ends are of different versions.",
    next: "Stop the kernel and start it again so that both ends are of one version.",
    exit: 5,
  },
  E_RPC_INTERNAL: {
    what: "The other process met a bug while it answered.",
    why: "An assertion failed there; the process ends itself and is restarted.",
    next: "./ioi logs shows the event; please report it.",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
