/** What offline verification of receipts can answer. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_RECEIPTS_UNCOVERED: {
    what: "A receipt is not under a checkpoint yet.",
    why: "The Guardian signs a checkpoint when the log grew and when it ends; this one came after.",
    next: "Start the kernel or wait a moment, then try again.",
    exit: 5,
  },
  E_BUNDLE_INVALID: {
    what: "A file is not an export of receipts.",
    why: "It is malformed, too large, or made by a newer version.",
    next: "Export again: ./ioi receipts export FILE",
    exit: 6,
  },
} as const satisfies ErrorCatalogue;
