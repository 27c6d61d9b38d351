/** What the stand-alone verifier can answer besides a report. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_VERIFY_FORM: {
    what: "A file is neither an export of receipts nor a proof of the chain.",
    why: "It is malformed, too large, has fields that nobody defined, or was made by a newer version.",
    next: "Make it again: ./ioi receipts export FILE, or ./ioi chain proof KEY --json",
    exit: 6,
  },
} as const satisfies ErrorCatalogue;
