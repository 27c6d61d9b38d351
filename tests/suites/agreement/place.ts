/** The folders that policies speak of and programs reach for: two of the session, one beside it. */
import fs from "node:fs";
import path from "node:path";
import type { Root } from "@ioi/firewall";
import type { Facts } from "@ioi/wire";

/** Folders of the scope, and what stands in each. */
export const folders = ["", "a", "a/deep", "private", "private/deep", "out", "src"] as const;
export const names = ["f0.txt", "f1.txt", "Notes.md", "secret.env", ".env"] as const;
export const noteFiles = ["n0.txt", "sub/n1.txt", "sub/secret.env"] as const;

export interface Place {
  readonly base: string;
  readonly scope: string;
  readonly notes: string;
  readonly outside: string;
  readonly roots: readonly Root[];
}

export const placeIn = (base: string): Place => {
  const scope = path.join(base, "work");
  const notes = path.join(base, "notes");
  return {
    base,
    scope,
    notes,
    outside: path.join(base, "outside"),
    roots: [
      { name: "scope", path: scope, access: "write" },
      { name: "notes", path: notes, access: "read" },
    ],
  };
};

/** What a file holds: no other holds it. */
export const markOf = (relative: string): string => `<<${relative}>>`;

const put = (base: string, relative: string): void => {
  const file = path.join(base, relative);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${markOf(`${path.basename(base)}/${relative}`)}\n`);
};

/** Makes everything anew; the folders themselves stay, since drivers hold them open. */
export const fill = ({ scope, notes, outside }: Place): void => {
  for (const folder of [scope, notes, outside]) {
    fs.mkdirSync(folder, { recursive: true });
    for (const name of fs.readdirSync(folder)) {
      fs.rmSync(path.join(folder, name), { recursive: true, force: true });
    }
  }
  for (const folder of folders) for (const name of names) put(scope, path.join(folder, name));
  for (const file of noteFiles) put(notes, file);
  put(outside, "o0.txt");
  fs.symlinkSync("private/f0.txt", path.join(scope, "link.txt"));
  fs.symlinkSync(path.join(outside, "o0.txt"), path.join(scope, "way-out.txt"));
};

/** As the driver finds them. */
export const factsAt = (file: string): Facts => {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat === undefined
    ? { realPath: file, exists: false }
    : {
        realPath: file,
        exists: true,
        kind: stat.isDirectory() ? "directory" : "file",
        size: stat.size,
        nlink: stat.nlink,
      };
};

/** The same without looking: for operations that are only decided. */
export const factsOf = (file: string, there: ReadonlySet<string>): Facts =>
  there.has(file)
    ? { realPath: file, exists: true, kind: "file", size: 20, nlink: 1 }
    : { realPath: file, exists: false };

/** Every file that `fill` makes, absolute. */
export const filesOf = ({ scope, notes, outside }: Place): readonly string[] => [
  ...folders.flatMap((folder) => names.map((name) => path.join(scope, folder, name))),
  ...noteFiles.map((file) => path.join(notes, file)),
  path.join(outside, "o0.txt"),
];
