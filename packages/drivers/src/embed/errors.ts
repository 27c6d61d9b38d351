/** What embedders say to a person. */
import type { ErrorCatalogue } from "@ioi/base";
import { exitCodes } from "@ioi/base";

export const embedErrors = {
  E_EMBED_ADDRESS: {
    what: "An embedder's address is none.",
    why: "It must be the base of an API of the OpenAI protocol.",
    next: "Give it as in --embedder http://127.0.0.1:11434/v1#MODEL.",
    exit: exitCodes.usage,
  },
  E_EMBED_REMOTE: {
    what: "An embedder is not on this machine.",
    why: "What it is given leaves the machine, and only a person decides that.",
    next: "Run the model here, or say --allow-remote.",
    exit: exitCodes.denied,
  },
  E_EMBED_LIBRARY: {
    what: "The library that runs local models is not installed.",
    why: "It is large and most people do not need it, so that it is no part of a start.",
    next: "The message names the one command that installs it.",
    exit: exitCodes.unavailable,
  },
  E_EMBED_MODEL: {
    what: "A local model cannot be used.",
    why: "A file of it is missing, too large or malformed, or it takes or gives something else.",
    next: "The folder holds model.onnx and tokenizer.json of a model that embeds sentences.",
    exit: exitCodes.failed,
  },
} as const satisfies ErrorCatalogue;
