/** Errors of actions on memories. */
import type { ErrorCatalogue } from "@ioi/base";

export const memoryErrors = {
  E_MEMORY_KEY: {
    what: "The memory file was not opened.",
    why: "What opens it did not come with the ticket, or is sealed to another instance or action.",
    next: "Nothing happened. Run the action again.",
    exit: 3,
  },
  E_MEMORY_EMBEDDER: {
    what: "No vectors were made of a text.",
    why: "The model for memories was not permitted, does not answer, or answered with what is no vector.",
    next: "Words go on finding everything; ./ioi models shows the model that was chosen, ./ioi models memory ID chooses another.",
    exit: 1,
  },
  E_MEMORY_STORED: {
    what: "It is not known whether something was stored or erased.",
    why: "Writing or syncing the memory file failed, and nobody knows what the disk holds since.",
    next: "Check the disk, then look: ./ioi run '/recall TEXT'; then ./ioi sessions resolve.",
    exit: 5,
  },
  E_MEMORY_NONE: {
    what: "There is no memory file.",
    why: "The first thing that is remembered makes it; nothing was remembered in this data folder.",
    next: "./ioi run '/remember TEXT'",
    exit: 1,
  },
} as const satisfies ErrorCatalogue;
