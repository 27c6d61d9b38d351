/** What authenticated state says to a person. */
import type { ErrorCatalogue } from "@ioi/base";
import { exitCodes } from "@ioi/base";

export const errors = {
  E_STATE_ABSENT: {
    what: "The state has no such key.",
    why: "Nothing was ever stored under it, or it was deleted.",
    next: "Look at the keys that are there: ./ioi chain status",
    exit: exitCodes.failed,
  },
  E_STATE_PRESENT: {
    what: "The key is there, so its absence cannot be proved.",
    why: "A value stands under it in this version of the state.",
    next: "Ask for a proof of the value instead.",
    exit: exitCodes.failed,
  },
  E_STATE_VERSION: {
    what: "This version of the state is not kept.",
    why: "It was never committed, or it is older than what is kept.",
    next: "Ask for a newer block.",
    exit: exitCodes.failed,
  },
  E_STATE_INDEX: {
    what: "A snapshot of an index is malformed.",
    why: "It was changed, cut off, or made for another index.",
    next: "Make the index again from the log; nothing is lost by that.",
    exit: exitCodes.wrong,
  },
  E_STATE_PROOF: {
    what: "A proof does not show what it claims.",
    why: "It was changed, or it belongs to another key, value or root.",
    next: "Do not believe it; ask for it again.",
    exit: exitCodes.wrong,
  },
} as const satisfies ErrorCatalogue;
