/** The items of the catalogue: a case's id begins with the name of the item that it tries. */

export const items: readonly string[] = [
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

/** Items that nothing of this version could fall for. */
export const absent: Readonly<Record<string, string>> = {
  "page-initiated navigation, WebSocket, service worker, beacon, download":
    "no browser is driven in this version",
  "placeholder smuggling": "placeholders come with the masking of personal data",
  "words laundered by a skill or by memory": "there are no skills and no memory in this version",
  "poisoned contacts": "no tool of this version answers with a trusted field",
};
