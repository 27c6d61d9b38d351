/** Canonical arguments of the `fs::*` targets, decoded strictly: an unknown field is refused. */
import { ok, type Result } from "@ioi/base";
import { type CanonicalValue, contentRef, type Schema, schema } from "@ioi/wire";
import { type DriverRejection, pathComplaint, reject } from "../fs/roots.ts";
import { effectEntriesMax, readBytesMax } from "../limits.ts";

const { array, int, oneOf, optional, record, text, u64 } = schema;

const onlyPath = record({ path: text(4096) });
export const readArguments = record({
  path: text(4096),
  offset: optional(int()),
  length: optional(int(0, readBytesMax)),
  as: optional(oneOf("text")),
});
export const searchArguments = record({
  path: text(4096),
  name: optional(text(1024)),
  text: optional(text(4096)),
});
export const writeArguments = record({
  path: text(4096),
  content: contentRef,
  create: oneOf("new", "replace", "any"),
});
const twoPaths = record({ path: text(4096), to: text(4096) });
export const restoreArguments = record({
  counter: u64,
  paths: array(text(4096), effectEntriesMax),
});

export const schemas = {
  "fs::stat": onlyPath,
  "fs::list": onlyPath,
  "fs::read": readArguments,
  "fs::search": searchArguments,
  "fs::write": writeArguments,
  "fs::mkdir": onlyPath,
  "fs::copy": twoPaths,
  "fs::move": twoPaths,
  "fs::delete": onlyPath,
  "fs::restore": restoreArguments,
} as const;
export type FilesTarget = keyof typeof schemas;

export const isFilesTarget = (target: string): target is FilesTarget =>
  Object.hasOwn(schemas, target);

export const decodeArguments = <T>(
  expected: Schema<T>,
  args: { readonly [name: string]: CanonicalValue },
): Result<T, DriverRejection> => {
  const decoded = expected.fromCanonical(args, "args");
  return decoded.ok ? decoded : reject("E_ARGUMENTS_INVALID", decoded.error);
};

export const checkedPaths = (paths: readonly string[]): Result<null, DriverRejection> => {
  for (const path of paths) {
    const complaint = pathComplaint(path);
    if (complaint !== undefined) return reject("E_PATH_INVALID", `a path ${complaint}`);
  }
  return ok(null);
};
