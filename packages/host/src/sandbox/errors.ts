/** Errors of the sandbox launcher. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_SANDBOX_SPEC: {
    what: "The description of a sandbox is not valid.",
    why: "A path is not absolute and normal, a name is not plain, or two parts contradict.",
    next: "ioi doctor",
    exit: 1,
  },
  E_SANDBOX_TOOL: {
    what: "No tool for namespaces was found on this machine.",
    why: "`unshare` and `setpriv` of util-linux are not at their usual places.",
    next: "apt-get install util-linux",
    exit: 7,
  },
  E_SANDBOX_SETUP: {
    what: "The sandbox could not be built; the program was not started.",
    why: "The kernel refused a namespace, a mount or a filter.",
    next: "ioi doctor",
    exit: 7,
  },
} as const satisfies ErrorCatalogue;
