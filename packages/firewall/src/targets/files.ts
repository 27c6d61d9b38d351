/** Targets of files: what they read can be read again, what they change is kept for undo. */
import { type ArgumentSpec, path, type TargetSpec, undriven } from "./spec.ts";

const file = (
  name: string,
  what: string,
  given: readonly ArgumentSpec[],
  effect: Pick<TargetSpec, "consequential" | "obligation">,
): TargetSpec => ({
  name: `fs::${name}`,
  group: "fs",
  what,
  arguments: given,
  reversible: true,
  driver: "files",
  ...effect,
});

const reading = { consequential: false };
const undoable = { consequential: true, obligation: "snapshot" } as const;

export const fileTargets: readonly TargetSpec[] = [
  file("stat", "look at a file's size, kind and times", [path("file or folder", "reads")], reading),
  file("list", "list a folder", [path("folder", "reads")], reading),
  file(
    "search",
    "search below a folder; names with a leading dot are passed over",
    [
      path("folder", "reads"),
      {
        name: "name",
        type: "text",
        role: "flag",
        charsMax: 256,
        optional: true,
        what: "pattern of the file's name, as in *.txt",
      },
      {
        name: "text",
        type: "text",
        role: "flag",
        charsMax: 1024,
        optional: true,
        what: "text inside the file, as it is",
      },
    ],
    reading,
  ),
  file(
    "read",
    "read a file",
    [
      path("file", "reads"),
      {
        name: "offset",
        type: "integer",
        role: "flag",
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        optional: true,
        what: "first byte",
      },
      {
        name: "length",
        type: "integer",
        role: "flag",
        min: 1,
        max: Number.MAX_SAFE_INTEGER,
        optional: true,
        what: "number of bytes",
      },
      {
        name: "as",
        type: "text",
        role: "flag",
        charsMax: 16,
        choices: ["text"],
        optional: true,
        what: "text: of a PDF, what it says",
      },
    ],
    reading,
  ),
  file(
    "write",
    "write a file",
    [
      path("file", "writes"),
      { name: "content", type: "content", role: "content", what: "what the file will hold" },
      {
        name: "create",
        type: "text",
        role: "flag",
        charsMax: 16,
        choices: ["new", "replace", "any"],
        what: "new: must not exist; replace: must exist; any",
      },
    ],
    undoable,
  ),
  file("mkdir", "make a folder", [path("folder", "writes")], { consequential: true }),
  file(
    "copy",
    "copy a file or folder",
    [path("from", "reads"), path("to", "writes", "to")],
    undoable,
  ),
  file(
    "move",
    "move or rename a file or folder",
    [path("from", "removes"), path("to", "writes", "to")],
    undoable,
  ),
  file("delete", "move a file or folder to the bin", [path("what", "removes")], undoable),
  file(
    "restore",
    "undo an earlier change",
    [
      {
        name: "counter",
        type: "integer",
        role: "flag",
        min: 1,
        max: Number.MAX_SAFE_INTEGER,
        what: "number of the change's ticket",
      },
      {
        name: "paths",
        type: "paths",
        role: "path",
        use: "writes",
        what: "what the change touched",
      },
    ],
    undoable,
  ),
  undriven("fs::chmod", "change who may read, write and run a file", [
    path("file or folder", "writes"),
    { name: "mode", type: "integer", role: "flag", min: 0, max: 0o777, what: "permission bits" },
  ]),
];
