/**
 * Lexical paths: absolute, `/`-separated, without `.`, `..` or empty segments, in NFC. Prefixes are
 * whole segments: `/work-evil` is not below `/work`.
 */
import { utf8Encode } from "@ioi/base";
import { nameBytesMax, pathBytesMax } from "./limits.ts";

// oxlint-disable-next-line no-control-regex -- refusing control characters needs their names
const controls = /[\u0000-\u001f\u007f-\u009f]/;

export const hasControls = (text: string): boolean => controls.test(text);

/** Whether UTF-8 of `text` has at most `max` bytes. */
export const fitsBytes = (text: string, max: number): boolean =>
  text.length * 3 <= max || (text.length <= max && utf8Encode(text).length <= max);

/** The segments of an absolute path after lexical `.` and `..`; `..` above the top stays there. */
export const lexicalSegments = (path: string): readonly string[] => {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return segments;
};

export const normalisePath = (path: string): string => `/${lexicalSegments(path).join("/")}`;

/** Why `path` is not a canonical path; undefined where it is. */
export const pathComplaint = (path: string): string | undefined => {
  if (!path.startsWith("/")) return "it is not absolute";
  if (hasControls(path)) return "it holds NUL or a control character";
  if (!path.isWellFormed()) return "it is not Unicode";
  if (!fitsBytes(path, pathBytesMax)) return `it has more than ${pathBytesMax} bytes`;
  if (path === "/") return undefined;
  let from = 1;
  while (from <= path.length) {
    const slash = path.indexOf("/", from);
    const to = slash < 0 ? path.length : slash;
    const segment = path.slice(from, to);
    if (segment === "" || segment === "." || segment === "..") return "it is not normal";
    if (!fitsBytes(segment, nameBytesMax)) return `a name has more than ${nameBytesMax} bytes`;
    from = to + 1;
  }
  return undefined;
};

/** `path` is `folder` or below it. */
export const isWithin = (path: string, folder: string): boolean =>
  folder === "/" ||
  (path.startsWith(folder) &&
    (path.length === folder.length || path.charCodeAt(folder.length) === 0x2f));

export const segmentsOf = (path: string): readonly string[] =>
  path === "/" ? [] : path.slice(1).split("/");

export const lastName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** ASCII without upper case: what folding leaves as it is. */
const folded = /^[\u0000-\u0040\u005b-\u007f]*$/; // oxlint-disable-line no-control-regex -- a range

/**
 * One spelling for all that a case-insensitive mount takes for one name. Character by character, so
 * that a part folds as it does inside the whole.
 */
export const foldCase = (text: string): string => {
  if (folded.test(text)) return text;
  let result = "";
  for (const char of text) result += char.toUpperCase().toLowerCase();
  return result.normalize("NFC");
};
