/** What the ports on Node say to a person. */
import type { ErrorCatalogue } from "@ioi/base";
import { exitCodes } from "@ioi/base";

const exit = exitCodes.failed;

export const errors = {
  E_FILES_NOT_FOUND: {
    what: "A file is missing.",
    why: "Nothing has this name, or a directory on the way to it is gone.",
    next: "Check that the data folder is complete: ioi doctor",
    exit,
  },
  E_FILES_EXISTS: {
    what: "A file is there already.",
    why: "It was to be created, and something has its name.",
    next: "Look at what is there, and move it away if it is not needed.",
    exit,
  },
  E_FILES_NOT_EMPTY: {
    what: "A directory is not empty.",
    why: "Only an empty directory can be removed or replaced.",
    next: "Remove what is in it first.",
    exit,
  },
  E_FILES_NOT_A_DIRECTORY: {
    what: "A part of a path is not a directory.",
    why: "A file stands where a directory was expected.",
    next: "Check that the data folder is complete: ioi doctor",
    exit,
  },
  E_FILES_IS_A_DIRECTORY: {
    what: "A directory stands where a file was expected.",
    why: "The operation is for files.",
    next: "Check that the data folder is complete: ioi doctor",
    exit,
  },
  E_FILES_FULL: {
    what: "The disk is full, or its quota is used up.",
    why: "The file system has no room for what was to be written.",
    next: "Free some space, then do it again.",
    exit,
  },
  E_FILES_READ_ONLY: {
    what: "The file system is read-only.",
    why: "It is mounted so, or the kernel made it so after an error of the disk.",
    next: "Mount it writable, or use another folder.",
    exit,
  },
  E_FILES_DENIED: {
    what: "The operating system denies access to a file.",
    why: "Owner, mode or sandbox forbid it, or the path leads through a link.",
    next: "Check the owner and the mode of the data folder (0700, files 0600).",
    exit,
  },
  E_FILES_SYNC_FAILED: {
    what: "Data could not be made durable.",
    why: "The disk or its file system failed while it stored data; what was written may be lost.",
    next: "Check the disk and the kernel's log, then start again.",
    exit,
  },
  E_FILES_IO: {
    what: "A file operation failed.",
    why: "The disk or its file system reported an error, or a file is larger than it may be.",
    next: "Check the disk and the kernel's log.",
    exit,
  },
  E_FILES_LOCKED: {
    what: "A file is locked by another process.",
    why: "Only one process at a time may use it.",
    next: "Stop the process that the message names.",
    exit,
  },
  E_DATA_NEWER: {
    what: "The data folder was written by a newer version.",
    why: "This version does not know its format; nothing was changed.",
    next: "Use that newer version, or another folder with --data.",
    exit,
  },
  E_DATA_FOREIGN: {
    what: "The folder is not a data folder.",
    why: "It is not empty and has no FORMAT file; nothing was changed.",
    next: "Give an empty or new folder with --data.",
    exit,
  },
  E_DATA_CORRUPT: {
    what: "The FORMAT file of the data folder is damaged.",
    why: 'It should hold a line such as {"format":2}; nothing was changed.',
    next: "Restore it from a backup, or use another folder with --data.",
    exit,
  },
  E_DATA_LOCKED: {
    what: "The data folder is in use.",
    why: "Another kernel runs on it; two would spoil each other's records.",
    next: "Stop the process that the message names, or use another folder with --data.",
    exit,
  },
  E_DATA_READ_ONLY: {
    what: "The data folder cannot be written.",
    why: "Its file system is read-only.",
    next: "Mount it writable, or use another folder with --data.",
    exit,
  },
  E_DATA_FULL: {
    what: "There is no room for the data folder.",
    why: "What the kernel permits must be recorded first, and a full disk records nothing.",
    next: "Free some space, or use another folder with --data.",
    exit,
  },
  E_DATA_DENIED: {
    what: "The data folder cannot be used by this user.",
    why: "Its owner or mode forbids it, or it is not a directory.",
    next: "Use a folder of your own with --data.",
    exit,
  },
  E_SPAWN_NOT_FOUND: {
    what: "A program is missing.",
    why: "Nothing has its name, or its working directory is gone.",
    next: "Check the path of the program.",
    exit,
  },
  E_SPAWN_FAILED: {
    what: "A program could not be started.",
    why: "The operating system refused it: not executable, or no more processes.",
    next: "Check the mode of the program and the limits of the user.",
    exit,
  },
  E_KEY_VALUE_LOCKED: {
    what: "The key-value store is in use.",
    why: "Another process has it open.",
    next: "Stop that process.",
    exit,
  },
  E_KEY_VALUE_FAILED: {
    what: "The key-value store failed.",
    why: "It is damaged, or its disk failed.",
    next: "Check the disk; restore the folder from a backup.",
    exit,
  },
} as const satisfies ErrorCatalogue;
