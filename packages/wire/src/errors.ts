/** Errors of decoding. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_CANONICAL_INVALID: {
    what: "Bytes are not the canonical encoding of the value they must be.",
    why: "They were changed, cut off, or made by another version.",
    next: "Make them again with the version that reads them.",
    exit: 5,
  },
  E_JSON_INVALID: {
    what: "A text is not strict JSON; the message says where.",
    why: "It is malformed, too deep or too large, repeats a key, or holds a number or character that JSON readers disagree about.",
    next: "Correct the text at the position that the message names.",
    exit: 2,
  },
} as const satisfies ErrorCatalogue;
