/** What storage says to a person. */
import type { ErrorCatalogue } from "@ioi/base";
import { exitCodes } from "@ioi/base";

export const errors = {
  E_WAL_CORRUPT: {
    what: "A log is damaged in its middle.",
    why: "A record that was stored safely has changed since; nothing was written to the log.",
    next: "Look at the damage, then restore the folder from a backup: ioi doctor",
    exit: exitCodes.failed,
  },
  E_WAL_NEWER: {
    what: "A log was written by a newer version.",
    why: "This version does not know its format; nothing was changed.",
    next: "Use that newer version.",
    exit: exitCodes.failed,
  },
  E_WAL_FOREIGN: {
    what: "A file is not a log.",
    why: "It does not begin as a log does; nothing was changed.",
    next: "Move it away, or restore the folder from a backup.",
    exit: exitCodes.failed,
  },
  E_WAL_POISONED: {
    what: "A log takes no more records.",
    why: "Storing an earlier one failed, and nobody knows what the disk holds since.",
    next: "Check the disk, then start again: the log is recovered on opening.",
    exit: exitCodes.failed,
  },
  E_WAL_FULL: {
    what: "A record did not fit on the disk.",
    why: "The disk is full, or the log has reached its largest size.",
    next: "Free some space, then do it again.",
    exit: exitCodes.failed,
  },
  E_WAL_BUSY: {
    what: "Too many records wait to be stored.",
    why: "They come faster than the disk takes them.",
    next: "Wait a moment, then do it again.",
    exit: exitCodes.failed,
  },
} as const satisfies ErrorCatalogue;
