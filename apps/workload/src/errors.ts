/** What the workload answers beside the errors of the session machine. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_SESSIONS_ACTIVE: {
    what: "Too many sessions are under way.",
    why: "Every session holds drivers and memory; their number is bounded.",
    next: "./ioi sessions lists them; stop one: ./ioi stop SESSION",
    exit: 5,
  },
  E_SESSION_ID: {
    what: "This is no session's name.",
    why: "Names are made by the Guardian: small letters, digits and hyphens.",
    next: "./ioi sessions",
    exit: 2,
  },
  E_SESSION_NOT_ASKING: {
    what: "The session does not ask what became of an action.",
    why: "Only an action whose outcome is unknown can be answered so.",
    next: "./ioi sessions show SESSION",
    exit: 2,
  },
  E_CONTENT_NONE: {
    what: "The action has no content.",
    why: "It found nothing to show, did not happen, or the session has no action of this number.",
    next: "./ioi sessions show SESSION",
    exit: 5,
  },
  E_CONTENT_FORGOTTEN: {
    what: "The content of the action is not kept any more.",
    why: "What is behind handles is bounded over all sessions; the oldest session's goes first.",
    next: "Run the action again.",
    exit: 5,
  },
  E_SESSION_REQUEST: {
    what: "A request about a session is malformed.",
    why: "A field has a value that is not one of those it may have.",
    next: "Use the command line, which sends what is meant.",
    exit: 2,
  },
  E_GATE_UNAVAILABLE: {
    what: "The Guardian does not answer.",
    why: "It is starting, or ended; nothing is permitted meanwhile.",
    next: "./ioi status",
    exit: 5,
  },
  E_GATE_MALFORMED: {
    what: "An answer of the Guardian is not what was agreed on.",
    why: "A field is missing or does not decode.",
    next: "Stop the kernel and start it again so that both ends are of one version.",
    exit: 5,
  },
  E_DRIVER_UNAVAILABLE: {
    what: "A driver did not start or ended.",
    why: "Its sandbox could not be made, or it was killed.",
    next: "./ioi doctor",
    exit: 5,
  },
  E_DRIVER_MALFORMED: {
    what: "An answer of a driver is not what was agreed on.",
    why: "A field is missing or does not decode.",
    next: "./ioi logs",
    exit: 5,
  },
  E_PROFILE_MISSING: {
    what: "The policy gives this session no such driver.",
    why: "The Guardian sent no profile of its kind.",
    next: "./ioi policy explain",
    exit: 3,
  },
} as const satisfies ErrorCatalogue;
