/**
 * Paths of the `Files` port. The grammar is the same for both twins, so a path that one takes the
 * other takes too: relative, `/`-separated, no empty, `.` or `..` segment, no NUL; "" is the root.
 */
import { filesNameBytesMax, filesPathBytesMax } from "./limits.ts";
import { assert } from "./result.ts";
import { utf8Encode } from "./text.ts";

/** The segments of a path; a path outside the grammar is a bug of the caller. */
export const pathSegments = (path: string): readonly string[] => {
  if (path === "") return [];
  const where = JSON.stringify(path.slice(0, 200));
  assert(!path.includes("\0"), `a NUL in the path ${where}`);
  assert(utf8Encode(path).length <= filesPathBytesMax, `the path ${where} is too long`);
  const segments = path.split("/");
  for (const segment of segments) {
    assert(segment !== "" && segment !== "." && segment !== "..", `a bad segment in ${where}`);
    assert(utf8Encode(segment).length <= filesNameBytesMax, `a name in ${where} is too long`);
  }
  return segments;
};

/** The directory that holds the name; "" is the root. */
export const parentPath = (path: string): string =>
  path.slice(0, Math.max(0, path.lastIndexOf("/")));

export const lastSegment = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** Where `replaceFile` builds the new content, beside the old; `list` leaves such names out. */
export const replacementPath = (path: string): string => {
  const parent = parentPath(path);
  return `${parent}${parent === "" ? "" : "/"}.${lastSegment(path)}.tmp`;
};

export const isReplacementName = (name: string): boolean => /^\..+\.tmp$/.test(name);
