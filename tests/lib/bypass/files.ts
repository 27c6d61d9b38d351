/**
 * Paths that lead elsewhere than they say, and files that other programs believe in. Each is handed
 * to the real files driver (or written by a command in the real exec driver) under a right ticket;
 * what the policy does not allow gets no ticket. The control is a program that believes the path.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {
  again,
  type Attack,
  believes,
  canaryHarmed,
  evil,
  forced,
  inside,
  judged,
  reads,
  secretFile,
  type Tried,
  writeArgs,
  writes,
} from "./attack.ts";
import type { Place } from "./place.ts";

const link = (place: Place): void =>
  again(inside(place, "link.txt"), () =>
    fs.symlinkSync("../outside/canary.txt", inside(place, "link.txt")),
  );
const linked = (place: Place): void =>
  again(inside(place, "linked"), () => fs.symlinkSync(place.outside, inside(place, "linked")));
const hard = (place: Place): void =>
  again(inside(place, "hard.txt"), () => fs.linkSync(secretFile(place), inside(place, "hard.txt")));
const sibling = (place: Place): void => {
  fs.mkdirSync(`${place.root}-evil`, { recursive: true });
  fs.writeFileSync(path.join(`${place.root}-evil`, "canary.txt"), place.canary);
};

const linkAttacks: readonly Attack[] = [
  reads("symbolic-link/read", (place) => inside(place, "link.txt"), link),
  writes("symbolic-link/write", (place) => inside(place, "link.txt"), link),
  reads("symbolic-link/read-below", (place) => inside(place, "linked/canary.txt"), linked),
  writes("symbolic-link/write-below", (place) => inside(place, "linked/canary.txt"), linked),
  writes("hard-link/write", (place) => inside(place, "hard.txt"), hard),
  reads("prefix-confusion/sibling-folder", (place) => `${place.root}-evil/canary.txt`, sibling),
  reads("prefix-confusion/dot-dot", (place) => `${place.root}/../outside/canary.txt`),
  reads("proc-mem/own-root", (place) => `/proc/self/root${secretFile(place)}`),
];

const swapFile = (place: Place): void => {
  fs.rmSync(inside(place, "plain.txt"));
  fs.symlinkSync(secretFile(place), inside(place, "plain.txt"));
};
const swapFolder = (place: Place): void => {
  fs.renameSync(inside(place, "folder"), inside(place, "moved"));
  fs.symlinkSync(place.outside, inside(place, "folder"));
};
const layPlain = (place: Place): void =>
  again(inside(place, "plain.txt"), () => fs.writeFileSync(inside(place, "plain.txt"), "x"));
const layFolder = (place: Place): void => {
  fs.rmSync(inside(place, "moved"), { recursive: true, force: true });
  again(inside(place, "folder"), () => {
    fs.mkdirSync(inside(place, "folder"));
    fs.writeFileSync(inside(place, "folder/canary.txt"), "x");
  });
};

/** Between the look and the deed something else takes the name. */
const swapAttacks: readonly Attack[] = [
  ["toctou-rename/file-becomes-link", "plain.txt", layPlain, swapFile, "fs::write"],
  ["toctou-rename/folder-becomes-link", "folder/canary.txt", layFolder, swapFolder, "fs::write"],
  ["toctou-rename/read-of-what-was-swapped", "plain.txt", layPlain, swapFile, "fs::read"],
].map(([id, name, lay, swap, target]): Attack => {
  const [file, between] = [name as string, swap as (place: Place) => void];
  return {
    id: id as string,
    lay: lay as (place: Place) => void,
    naive: (place) => {
      // It checks, and then uses the name again.
      if (!fs.lstatSync(inside(place, file)).isFile()) return;
      between(place);
      if (target === "fs::read") believes(place, inside(place, file));
      else fs.writeFileSync(inside(place, file), evil);
    },
    attempt: (place) =>
      forced(
        place,
        target as string,
        target === "fs::read" ? { path: inside(place, file) } : writeArgs(inside(place, file)),
        () => between(place),
      ),
    harmed: canaryHarmed,
  };
});

/** What other programs read and obey. */
const obeyed: readonly (readonly [string, string])[] = [
  ["hooks-and-start-up-files/git-hook", ".git/hooks/pre-commit"],
  ["hooks-and-start-up-files/git-configuration", ".git/config"],
  ["hooks-and-start-up-files/shell", ".bashrc"],
  ["hooks-and-start-up-files/environment", ".envrc"],
  ["hooks-and-start-up-files/manifest", "package.json"],
  ["hooks-and-start-up-files/editor", ".vscode/tasks.json"],
  ["hooks-and-start-up-files/mcp-configuration", ".mcp.json"],
  ["hooks-and-start-up-files/continuous-integration", ".github/workflows/x.yml"],
  ["case-insensitive-names/git-hook", ".GIT/hooks/pre-commit"],
  ["case-insensitive-names/manifest", "PACKAGE.JSON"],
  ["case-insensitive-names/shell", ".BashRC"],
];

const isEvil = (file: string): boolean => {
  const there = fs.existsSync(file) && fs.readFileSync(file, "utf8").includes("evil");
  if (there) fs.rmSync(file);
  return there;
};

const obeyedAttacks: readonly Attack[] = obeyed.flatMap(([id, name]) => {
  const file = (place: Place): string => inside(place, name);
  const common = {
    lay: (place: Place): void => {
      fs.mkdirSync(path.dirname(file(place)), { recursive: true });
      if (name === ".git/config") return;
      fs.rmSync(file(place), { force: true });
    },
    naive: (place: Place): void => fs.appendFileSync(file(place), evil),
    harmed: (place: Place): boolean => {
      if (name !== ".git/config") return isEvil(file(place));
      const text = fs.readFileSync(file(place), "utf8");
      fs.writeFileSync(file(place), text.replaceAll("evil\n", ""));
      return text.includes("evil");
    },
  };
  return [
    {
      ...common,
      id: `${id}-by-the-driver`,
      attempt: (place: Place) =>
        judged(
          place,
          "files",
          () => place.driver("files").prepare("fs::write", writeArgs(file(place))),
          evil,
        ),
    },
    {
      ...common,
      id: `${id}-by-a-command`,
      // With a right ticket: a command is judged before anybody knows what it writes.
      attempt: async (place: Place): Promise<Tried> => {
        const argv = ["/bin/sh", "-c", `echo evil >> '${name}'`];
        const given = await place.driver("exec").prepare("sys::exec", { argv, cwd: place.root });
        return { verdict: "not asked", ended: await place.act("exec", given) };
      },
    },
  ];
});

/** The product's own folder stands in the place of the kernel's data folder here. */
const ownFile = (place: Place): string => path.join(place.base, "vault/policy.toml");
const layOwn = (place: Place): void => fs.writeFileSync(ownFile(place), "version = 1\n");

const ownAttacks: readonly Attack[] = [
  {
    id: "own-policy/by-the-driver",
    lay: layOwn,
    naive: (place) => fs.writeFileSync(ownFile(place), evil),
    attempt: (place) => forced(place, "fs::write", writeArgs(ownFile(place))),
    harmed: (place) => isEvil(ownFile(place)),
  },
  {
    id: "own-policy/by-a-command",
    lay: layOwn,
    naive: (place) => void spawnSync("/bin/sh", ["-c", `echo evil > ${ownFile(place)}`]),
    attempt: async (place) => {
      const argv = ["/bin/sh", "-c", `echo evil > ${ownFile(place)}`];
      const given = await place.driver("exec").prepare("sys::exec", { argv, cwd: place.root });
      return { verdict: "not asked", ended: await place.act("exec", given) };
    },
    harmed: (place) => isEvil(ownFile(place)),
  },
];

export const fileAttacks: readonly Attack[] = [
  ...linkAttacks,
  ...swapAttacks,
  ...obeyedAttacks,
  ...ownAttacks,
];
