/** The items of the catalogue: a case's id begins with the name of the item that it tries. */

/** Those that need a driver alone. */
export const driverItems: readonly string[] = [
  "chaining",
  "newline",
  "pipe-and",
  "substitution",
  "eval",
  "wrapper-shell",
  "quote-blindness",
  "env-prefix",
  "built-in-poisoning",
  "poisoned-environment",
  "git-configuration",
  "prefix-confusion",
  "symbolic-link",
  "hard-link",
  "toctou-rename",
  "case-insensitive-names",
  "own-policy",
  "hooks-and-start-up-files",
  "sub-agent",
  "dns-exfiltration",
  "escape-argument",
  "replayed-ticket",
  "oversized-input",
  "nested-input",
  "nul",
  "overlong-utf-8",
  "io-uring",
  "abstract-sockets",
  "ptrace-of-siblings",
  "proc-mem",
  "d-bus",
  "x11",
];

/** Those that need a kernel with its egress. */
export const kernelItems: readonly string[] = [
  "redirect-to-metadata",
  "dns-rebinding",
  "user-at-host",
  "denied-host",
  "data-in-a-path",
  "allowed-host-as-drop-box",
  "words-laundered",
  "approval-swapped-behind-the-card",
  "replayed-approval",
  "replayed-resume",
  "concurrent-budget-race",
  "agent-presses-its-own-card",
  "project-configuration",
  "deceiving-card",
  "regular-expression-denial",
  "past-the-proxy",
  "persistent-terminal",
  "programs-that-do-not-end",
  "mcp-rug-pull",
  "mcp-rename",
  "mcp-shadowing",
  "mcp-name-collision",
];

/**
 * What a run tries, from its arguments: the beginning of the ids, and how many variants of each item
 * at most.
 */
export const chosen = <T extends { readonly id: string }>(
  all: readonly T[],
  [, , only = "", most = "1000"]: readonly string[],
): readonly T[] => {
  const counts = new Map<string, number>();
  return all.filter(({ id }) => {
    if (!id.startsWith(only)) return false;
    const item = id.split("/")[0] ?? "";
    const count = (counts.get(item) ?? 0) + 1;
    counts.set(item, count);
    return count <= Number(most);
  });
};

/** Items that nothing of this version could fall for. */
export const absent: Readonly<Record<string, string>> = {
  "page-initiated navigation, WebSocket, service worker, beacon, download":
    "no browser is driven in this version",
  "placeholder smuggling": "placeholders come with the masking of personal data",
  "words laundered by a skill or by memory": "there are no skills and no memory in this version",
  "a local process on a model's port": "tried in apps/egress/test (listeners) and tests/e2e/models",
  "a poisoned run given to learn": "tried in suite policy (learn)",
  "poisoned contacts": "no tool of this version answers with a trusted field",
};
