/** Errors of backups of a data folder. */
import { type ErrorCatalogue, exitCodes } from "@ioi/base";

export const errors = {
  E_BACKUP_CORRUPT: {
    what: "The backup is not what was written.",
    why: "It was cut short or changed, or it is no backup; nothing was restored.",
    next: "Use another copy of the backup.",
    exit: exitCodes.wrong,
  },
  E_BACKUP_FOREIGN: {
    what: "The backup is not signed by the Guardian that was named.",
    why: "Another Guardian made it, or its signature was replaced; nothing was restored.",
    next: "Check the key: ./ioi keys of the folder that was backed up.",
    exit: exitCodes.wrong,
  },
  E_BACKUP_VERSION: {
    what: "The backup was written by a newer version.",
    why: "This version does not know its format; nothing was restored.",
    next: "Restore it with that newer version.",
    exit: exitCodes.failed,
  },
  E_BACKUP_LOCKED: {
    what: "The backup does not open.",
    why: "It was made with a passphrase, and none or another one was given.",
    next: "./ioi restore FILE --passphrase-file F",
    exit: exitCodes.failed,
  },
  E_BACKUP_ENTRY: {
    what: "Something in the data folder cannot be backed up.",
    why: "It is neither a file, a folder nor a link, or it changed while it was read.",
    next: "Stop what writes to the data folder and try again.",
    exit: exitCodes.failed,
  },
  E_RESTORE_TARGET: {
    what: "The folder to restore into is not empty.",
    why: "A restore never mixes two data folders.",
    next: "Give a new folder with --data, or add --onto to take the place of an older state of the same one.",
    exit: exitCodes.failed,
  },
  E_RESTORE_ROLLBACK: {
    what: "The restore would take back what was signed since the backup.",
    why: "The folder's receipts or its chain's votes go on after the backup's, or are others; tickets, chain slots and counters would be given twice.",
    next: "Keep the folder, or restore into a new one with --data.",
    exit: exitCodes.failed,
  },
} as const satisfies ErrorCatalogue;
