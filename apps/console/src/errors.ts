/** Errors of the console: what a page is told. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_CONSOLE_REQUEST: {
    what: "The console does not understand a request.",
    why: "A field is malformed, or two of them contradict each other.",
    next: "Reload the page; it may be of another version.",
    exit: 5,
  },
  E_CONSOLE_BUSY: {
    what: "The console answers too many requests at once.",
    why: "Their number is bounded.",
    next: "Close pages that are not needed and try again.",
    exit: 5,
  },
  E_CONSOLE_PLAN_GONE: {
    what: "What was planned is not there any more.",
    why: "It was begun or refused, the console restarted, or newer plans took its place.",
    next: "Type the task again.",
    exit: 5,
  },
  E_CONSOLE_UNAVAILABLE: {
    what: "This is not available in this version.",
    why: "The process that would answer does not know the call.",
    next: "./ioi --version",
    exit: 7,
  },
} as const satisfies ErrorCatalogue;
