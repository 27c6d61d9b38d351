/** `fs::read` with `as = "text"`: what a PDF says, or a text file as it is. */
import { utf8Decode, utf8Encode } from "@ioi/base";
import type { ActReport } from "../core/driver.ts";
import { refused } from "../core/driver.ts";
import { reject } from "../fs/roots.ts";
import { readBytesDefault } from "../limits.ts";
import type { PdfReader } from "./pdf.ts";

const magic = [0x25, 0x50, 0x44, 0x46, 0x2d];
/** Readers allow rubbish before the beginning. */
const magicWithin = 1024;

/** `%PDF-` near the beginning. */
export const isPdf = (bytes: Uint8Array): boolean => {
  const end = Math.min(bytes.length - magic.length, magicWithin);
  for (let at = 0; at <= end; at++) {
    if (magic.every((byte, index) => bytes[at + index] === byte)) return true;
  }
  return false;
};

interface Piece {
  readonly offset?: number;
  readonly length?: number;
}

/** A piece of a text, cut between characters. */
const pieceOf = (
  text: Uint8Array,
  { offset = 0, length = readBytesDefault }: Piece,
): { readonly content: Uint8Array; readonly truncated: boolean } => {
  const isWithin = (at: number): boolean => ((text[at] ?? 0) & 0xc0) === 0x80;
  let [from, to] = [Math.min(offset, text.length), Math.min(offset + length, text.length)];
  while (from < text.length && isWithin(from)) from++;
  while (to > from && to < text.length && isWithin(to)) to--;
  return { content: text.slice(from, to), truncated: to < text.length };
};

const reportOf = (
  text: Uint8Array,
  piece: Piece,
  facts: { readonly pages?: number; readonly more: boolean },
): ActReport => {
  const { content, truncated } = pieceOf(text, piece);
  return {
    status: "confirmed",
    result: {
      content,
      size: text.length,
      offset: piece.offset ?? 0,
      truncated: truncated || facts.more,
      ...(facts.pages === undefined ? {} : { pages: facts.pages }),
    },
    bytes: content.length,
    reversible: true,
    evidence: {
      bytes: String(content.length),
      ...(facts.pages === undefined ? {} : { pages: String(facts.pages) }),
    },
  };
};

export const readAsText = async (
  path: string,
  bytes: Uint8Array,
  piece: Piece,
  pdf: PdfReader,
  signal: AbortSignal,
): Promise<ActReport> => {
  if (!isPdf(bytes)) {
    return utf8Decode(bytes) === undefined
      ? refused(reject("E_FS_NOT_TEXT", `${path} is neither text nor a PDF`).error)
      : reportOf(bytes, piece, { more: false });
  }
  const read = await pdf.read(bytes, signal);
  switch (read.type) {
    case "text": {
      const { text, pages, more } = read;
      if (text.trim() !== "") return reportOf(utf8Encode(text), piece, { pages, more });
      const why = `${path} has ${pages} ${pages === 1 ? "page" : "pages"} and no text in them`;
      return refused(reject("E_FS_PDF_NO_TEXT", why).error);
    }
    case "encrypted":
      return refused(reject("E_FS_PDF_ENCRYPTED", `${path} opens with a password only`).error);
    case "damaged":
      return refused(reject("E_FS_PDF_DAMAGED", `${path} is no PDF that can be read`).error);
    case "too slow":
      return refused(reject("E_FS_PDF_BOUND", `${path} takes too long to read`).error);
    case "too large":
      return refused(reject("E_FS_PDF_BOUND", `${path} takes too much memory to read`).error);
  }
};
