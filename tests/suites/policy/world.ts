/** The small world that pairs are made of: names, scripts with what is in them, programs. */

/** Folder names that the firewall protects wherever they stand; lower case. */
export const guardedFolders: readonly string[] = [".git", ".vscode", "dropbox"];
export const guardedNames: readonly string[] = ["package.json", ".bashrc"];
export const guardedTails: readonly string[] = [".config/autostart"];

export const names: readonly string[] = [
  "a",
  "b.txt",
  "B.TXT",
  "c.pdf",
  "notes",
  "Notes",
  "work",
  "work-evil",
  ".env",
  ".hidden",
  ".git",
  ".vscode",
  "package.json",
  ".bashrc",
  "Dropbox",
  ".config",
  "autostart",
  "x1",
  "caf\u00e9",
  "*",
  "[a]",
];

export interface KnownScript {
  readonly argv: readonly string[];
  readonly dynamic: boolean;
  readonly commands: readonly (readonly string[])[];
  readonly redirects: readonly { readonly path: string; readonly writes: boolean }[];
}

const plain = (
  argv: readonly string[],
  commands: KnownScript["commands"],
  redirects: KnownScript["redirects"] = [],
): KnownScript => ({ argv, dynamic: false, commands, redirects });

const dynamic = (argv: readonly string[], commands: KnownScript["commands"]): KnownScript => ({
  argv,
  dynamic: true,
  commands,
  redirects: [],
});

/** Scripts by hand: what a person reads in them. */
export const scripts: readonly KnownScript[] = [
  dynamic(["sh", "-c", "$X"], [["$X"]]),
  dynamic(["bash", "-c", "ls *.txt"], [["ls", "*.txt"]]),
  dynamic(["sh", "-c", "if"], []),
  plain(["sh", "-c", "git push origin"], [["git", "push", "origin"]]),
  plain(
    ["bash", "-c", "curl a && git log"],
    [
      ["curl", "a"],
      ["git", "log"],
    ],
  ),
  plain(["sh", "-c", "sort a > b.txt"], [["sort", "a"]], [{ path: "b.txt", writes: true }]),
  plain(["sh", "-c", "cat < .env"], [["cat"]], [{ path: ".env", writes: false }]),
  plain(
    ["sh", "-c", "echo x > ../package.json"],
    [["echo", "x"]],
    [{ path: "../package.json", writes: true }],
  ),
  plain(["env", "git", "push"], [["git", "push"]]),
  plain(
    ["timeout", "5", "sh", "-c", "curl b"],
    [
      ["sh", "-c", "curl b"],
      ["curl", "b"],
    ],
  ),
];

export const argvs: readonly (readonly string[])[] = [
  ["git", "log"],
  ["git", "log", "--oneline", "-n", "5"],
  ["git", "log", "-n5"],
  ["git", "push", "origin"],
  ["git", "-C", "x", "push"],
  ["git"],
  ["git", "log", "--", "-x"],
  ["/usr/bin/git", "status"],
  ["curl", "http://x"],
  ["curl", "-sSf", "--output=f", "x"],
  ["/opt/tool", "run", "-"],
  ["tool", "<EMAIL_1.k7f3>"],
  ["./a", "1234"],
  ["python3", "x.py"],
  ["node", "--eval", "1"],
];

export const programs: readonly string[] = [
  "/usr/bin/git",
  "/usr/bin/curl",
  "/usr/bin/dash",
  "/usr/bin/bash",
  "/usr/bin/python3.11",
  "/opt/tool",
  "/home/u/scope/a",
  "/home/u/product/ioi",
];
