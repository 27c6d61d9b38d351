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
  "mcp-network",
  "poisoned-contacts",
  "poisoned-run",
  "squatted-model-port",
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
  "words laundered by a skill": "there are no skills in this version",
  "words laundered by standard input": "nothing that is piped in is ever read as words",
};

/** Every way around that the specification of the gate lists, and the items that try it. */
export const catalogued: Readonly<Record<string, readonly string[]>> = {
  "chaining, newline, |&": ["chaining", "newline", "pipe-and"],
  "$(), backticks, <(), eval, wrapper shells": ["substitution", "eval", "wrapper-shell"],
  "quote blindness; env prefixes": ["quote-blindness", "env-prefix", "poisoned-environment"],
  "built-in poisoning": ["built-in-poisoning"],
  "git -c core.pager, GIT_SSH_COMMAND": ["git-configuration"],
  "prefix confusion; symlink and hard link": ["prefix-confusion", "symbolic-link", "hard-link"],
  "TOCTOU rename; case-insensitive names": ["toctou-rename", "case-insensitive-names"],
  "project config read before trust": ["project-configuration"],
  "agent edits its own policy, hooks or shell start-up files": [
    "own-policy",
    "hooks-and-start-up-files",
  ],
  "sub-agent outside the sandbox": ["sub-agent"],
  "DNS exfiltration": ["dns-exfiltration", "mcp-network"],
  "NUL in SOCKS host": ["nul"],
  "redirects to metadata; DNS rebinding; user@host": [
    "redirect-to-metadata",
    "dns-rebinding",
    "user-at-host",
  ],
  "MCP rug pull, rename, shadowing, name collision": [
    "mcp-rug-pull",
    "mcp-rename",
    "mcp-shadowing",
    "mcp-name-collision",
  ],
  "an escape argument offered to the model": ["escape-argument"],
  "approval swapped behind the card": ["approval-swapped-behind-the-card"],
  "replayed ticket, approval or resume": [
    "replayed-ticket",
    "replayed-approval",
    "replayed-resume",
  ],
  "concurrent budget race": ["concurrent-budget-race"],
  "bidi and homoglyph in the card": ["deceiving-card"],
  "regex denial of service": ["regular-expression-denial"],
  "oversized and deeply nested input": ["oversized-input", "nested-input"],
  "NUL and overlong UTF-8": ["nul", "overlong-utf-8"],
  "io_uring, abstract sockets, ptrace of siblings, /proc/*/mem, D-Bus, X11": [
    "io-uring",
    "abstract-sockets",
    "ptrace-of-siblings",
    "proc-mem",
    "d-bus",
    "x11",
  ],
  "the agent pressing its own card": ["agent-presses-its-own-card"],
  "words laundered by paste, delegation or memory": ["words-laundered", "sub-agent"],
  "poisoned contacts": ["poisoned-contacts"],
  "data in the path of an allowed GET; an allowed host used as a drop box": [
    "data-in-a-path",
    "allowed-host-as-drop-box",
  ],
  "DNS query for a denied host": ["denied-host"],
  "a local process squatting a model's port": ["squatted-model-port"],
  "a poisoned run given to learn": ["poisoned-run"],
};
