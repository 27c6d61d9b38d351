/** What a node says to a person. */
import type { ErrorCatalogue } from "@ioi/base";
import { exitCodes } from "@ioi/base";

export const errors = {
  E_CHAIN_TX: {
    what: "A transaction is not valid.",
    why: "It is malformed, not signed by whom it must be, or does not fit the state.",
    next: "Nothing was changed. ./ioi receipts verify says whether the receipts themselves are sound.",
    exit: exitCodes.failed,
  },
  E_CHAIN_CORRUPT: {
    what: "The chain's own files contradict each other.",
    why: "They were changed or mixed since they were written; nothing was written to them.",
    next: "Restore the data folder from a backup, or begin the blocks anew: ./ioi chain reset",
    exit: exitCodes.failed,
  },
  E_CHAIN_BEHIND: {
    what: "The Guardian voted for newer blocks than the chain has.",
    why: "Blocks were lost: orchestrator/ was removed, or restored from an older backup.",
    next: "Restore the newest backup of orchestrator/chain, or begin the blocks anew: ./ioi chain reset",
    exit: exitCodes.failed,
  },
  E_CHAIN_AHEAD: {
    what: "The chain has votes that the Guardian does not remember.",
    why: "guardian/ was restored from an older backup; it could vote twice in one view.",
    next: "Restore the newest backup of guardian/, or begin the blocks anew: ./ioi chain reset",
    exit: exitCodes.failed,
  },
  E_CHAIN_NEWER: {
    what: "The chain's files are of a newer format.",
    why: "A newer version of this program wrote them; nothing was written to them.",
    next: "Start that version, or restore the data folder from a backup.",
    exit: exitCodes.failed,
  },
  E_CHAIN_NO_BLOCK: {
    what: "There is no such block.",
    why: "It was not made yet, or it is older than what is kept.",
    next: "Look at the heights that are there: ./ioi chain status",
    exit: exitCodes.failed,
  },
  E_CHAIN_PROOF: {
    what: "A file is no proof of the chain.",
    why: "It is not JSON, or lacks or adds a field.",
    next: "Make it again: ./ioi chain proof KEY --json",
    exit: exitCodes.wrong,
  },
} as const satisfies ErrorCatalogue;
