/** Errors of questions to models. */
import type { ErrorCatalogue } from "@ioi/base";

export const modelErrors = {
  E_PROMPT_INVALID: {
    what: "What a model is to be told is no prompt.",
    why: "It is not the JSON of ioi.model/1, or has more messages or tools than one prompt may.",
    next: "Nothing was sent. An agent of your own: compare its prompt with docs/guides.",
    exit: 5,
  },
  E_MODEL_NO_EMBEDDINGS: {
    what: "The model's protocol has no embeddings.",
    why: "Only servers of the OpenAI protocol turn texts into vectors.",
    next: "Nothing was sent. Confirm a model of the openai protocol for it: ./ioi models add",
    exit: 7,
  },
  E_MODEL_UNREACHABLE: {
    what: "The model's server does not answer.",
    why: "Nothing listens there, the name is not known, or the connection was refused or cut.",
    next: "Start the server, then ./ioi models discover; ./ioi models list shows the address asked.",
    exit: 5,
  },
  E_MODEL_BUSY: {
    what: "The model's server takes no request now.",
    why: "A limit of its provider is reached, or it is overloaded.",
    next: "The agent asks again later; with ./ioi models default ID another model can be used.",
    exit: 5,
  },
  E_MODEL_SERVER: {
    what: "The model's server failed.",
    why: "It answered with an error of its own, before or in the middle of its answer.",
    next: "The agent asks again; if it stays so, look at the server's own log.",
    exit: 5,
  },
  E_MODEL_KEY: {
    what: "The model's server does not accept the key.",
    why: "It answered 401 or 403: the key is missing, wrong or may not use this model.",
    next: "Enter it again with ./ioi secrets set NAME --url URL, and see ./ioi models.",
    exit: 5,
  },
  E_MODEL_UNKNOWN: {
    what: "The model's server does not know this model, or there is no such API.",
    why: "It answered 404: the model's name or the base of the address is wrong.",
    next: "./ioi models discover lists what servers on this machine offer; then ./ioi models add.",
    exit: 5,
  },
  E_MODEL_REQUEST: {
    what: "The model's server refuses the request.",
    why: "It says so: the prompt is too long for the model, or it knows no tools.",
    next: "Give a smaller task, or use another model: ./ioi models default ID.",
    exit: 5,
  },
  E_MODEL_SILENT: {
    what: "The model's server stopped talking.",
    why: "It began no answer in time, or was silent too long in the middle of one.",
    next: "The agent asks again; a local server may need a smaller model.",
    exit: 5,
  },
  E_MODEL_INCOMPLETE: {
    what: "The model's answer ends in the middle.",
    why: "The connection was cut, or the server left out the end.",
    next: "The agent asks again; nothing of the half answer is used.",
    exit: 5,
  },
  E_MODEL_MALFORMED: {
    what: "The model's server sends what its protocol does not know.",
    why: "It is another kind of server, or speaks the other protocol.",
    next: "Compare the address and --protocol with ./ioi models; add it again where they are wrong.",
    exit: 5,
  },
  E_MODEL_TOO_LONG: {
    what: "The model's answer is longer than one may be.",
    why: "Answers are bounded, whatever the server was told.",
    next: "Nothing of it is used. Use another model: ./ioi models default ID.",
    exit: 5,
  },
  E_MODEL_TOO_MANY_CALLS: {
    what: "The model calls more tools in one answer than it may.",
    why: "The number is bounded; a model that loops reaches it.",
    next: "Nothing of it is done. Use another model: ./ioi models default ID.",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
