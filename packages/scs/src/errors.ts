/** What a memory file says to a person. */
import type { ErrorCatalogue } from "@ioi/base";
import { exitCodes } from "@ioi/base";

export const errors = {
  E_SCS_MISSING: {
    what: "There is no memory file of this name.",
    why: "No file stands there; nothing was made.",
    next: "Check the name, or make one: ./ioi scs create FILE --help",
    exit: exitCodes.failed,
  },
  E_SCS_FOREIGN: {
    what: "A file is not a memory file.",
    why: "It does not begin as one does, or it is too short to be one; nothing was changed.",
    next: "Name a memory file.",
    exit: exitCodes.failed,
  },
  E_SCS_NEWER: {
    what: "A memory file was written by a newer version.",
    why: "This version does not know its format, one of its features or one of its records.",
    next: "Use that newer version; nothing was changed.",
    exit: exitCodes.failed,
  },
  E_SCS_DAMAGED: {
    what: "A memory file has lost something that was stored.",
    why: "A record changed or is missing that a later commit, or a hint of the file, shows was there.",
    next: "Restore the file from a copy; what is left can still be read.",
    exit: exitCodes.failed,
  },
  E_SCS_LOCKED: {
    what: "A memory file is open for writing elsewhere.",
    why: "One process at a time writes; the lock ends with the process that holds it.",
    next: "End the other process, or open the file for reading only.",
    exit: exitCodes.failed,
  },
  E_SCS_KEY: {
    what: "A memory file does not open with this key.",
    why: "No slot of the file opens with the passphrase or the key that was given.",
    next: "Give the passphrase or key that the file was made with.",
    exit: exitCodes.failed,
  },
  E_SCS_POISONED: {
    what: "A memory file takes no more memories.",
    why: "Storing an earlier one failed, and nobody knows what the disk holds since.",
    next: "Check the disk, then open the file again: it is recovered on opening.",
    exit: exitCodes.failed,
  },
  E_SCS_FULL: {
    what: "A memory did not fit.",
    why: "The disk is full, or the file has reached its largest size; nothing of it was kept.",
    next: "Free some space, or compact the file.",
    exit: exitCodes.failed,
  },
  E_SCS_READ_ONLY: {
    what: "A memory file was opened for reading.",
    why: "What is opened for reading is never written to.",
    next: "Open it for writing.",
    exit: exitCodes.usage,
  },
  E_SCS_NO_MEMORY: {
    what: "There is no such memory.",
    why: "The number was never given, or the memory was forgotten.",
    next: "Name a memory that is there.",
    exit: exitCodes.failed,
  },
  E_SCS_VECTOR: {
    what: "A vector cannot be stored or asked with.",
    why: "It has another dimension than the file, or a component that is no number, or no direction.",
    next: "Use the embedder that the file was made with.",
    exit: exitCodes.failed,
  },
  E_SCS_INDEX: {
    what: "A snapshot of the index over vectors is malformed.",
    why: "It was changed, cut off, or made for another index.",
    next: "Make the index again from the log: ./ioi scs compact FILE; nothing is lost by that.",
    exit: exitCodes.wrong,
  },
  E_SCS_EMBEDDER: {
    what: "A memory file was made with another embedder.",
    why: "Vectors of different embedders cannot be compared, so a file keeps to the one it began with.",
    next: "Name that embedder (ioi scs info says which), or change it: ioi scs embed FILE --embedder ….",
    exit: exitCodes.usage,
  },
  E_SCS_CHANGED: {
    what: "A memory file went on while it was read.",
    why: "Its writer added or forgot something since it was opened, and what is asked for is elsewhere now.",
    next: "Ask again: the file is opened as it is then.",
    exit: exitCodes.failed,
  },
  E_SCS_QUERY: {
    what: "Memories cannot be asked for like this.",
    why: "It names neither words nor a vector, more answers than there may be or a proof holds, or a time before the first memory.",
    next: "Ask with words, for 1 to 1024 answers; for fewer where they are large and to be proved.",
    exit: exitCodes.usage,
  },
  E_SCS_STALE: {
    what: "The index of a memory file is not made yet.",
    why: "Something was forgotten since, or the index was never finished; words are answered.",
    next: "Make it anew with ioi scs compact, or ask by words.",
    exit: exitCodes.failed,
  },
  E_SCS_NEARER: {
    what: "The answers are not shown to be the nearest.",
    why: "A search looks at some of an index and passed over what is nearer.",
    next: "Ask with a larger --ef, which looks at more, or prove without --nearest.",
    exit: exitCodes.failed,
  },
  E_SCS_INPUT: {
    what: "Something cannot be stored as a memory.",
    why: "It is empty, too large, no well-formed text, or has too many tags.",
    next: "Give text, in parts where it is much; the bounds are in docs/limits.md.",
    exit: exitCodes.usage,
  },
  E_SLICE_INVALID: {
    what: "A shared slice of memories is refused.",
    why: "It is malformed, was altered, is from somebody else than is said, or its proof does not hold.",
    next: "Ask the sharer for it again; nothing of it was stored.",
    exit: exitCodes.wrong,
  },
  E_SLICE_KEY: {
    what: "A slice of memories does not go with this key.",
    why: "It is sealed to another agent's key, or the key to seal it to is none.",
    next: "Give the sharer the key of the agent that is to receive it.",
    exit: exitCodes.failed,
  },
  E_SLICE_NEWER: {
    what: "A shared slice was sealed by a newer version.",
    why: "This version does not know how it is sealed.",
    next: "Use that newer version, or have it shared from this one.",
    exit: exitCodes.failed,
  },
  E_SLICE_TAKEN: {
    what: "A shared slice was taken before.",
    why: "A slice is stored once, however often it is sent.",
    next: "Ask for the memories to be shared anew, if they are wanted again.",
    exit: exitCodes.failed,
  },
  E_SLICE_REGISTER: {
    what: "What was taken from others is not known.",
    why: "The list beside the memory file (its name with .taken) is damaged or full.",
    next: "Restore it from a copy together with the memory file; no slice is taken until then.",
    exit: exitCodes.failed,
  },
  E_SCS_IMPORT: {
    what: "A file cannot be imported.",
    why: "It is not of the kind that was expected, is not UTF-8, or changed while it was read.",
    next: "Name its kind with --kind; what was stored so far stays, and is not stored again.",
    exit: exitCodes.failed,
  },
} as const satisfies ErrorCatalogue;
