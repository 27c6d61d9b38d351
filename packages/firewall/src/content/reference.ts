/** How an action says which content it means: by hash and length, with the beginning for a person. */
import { utf8Decode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { contentHeadCharsMax } from "../limits.ts";

/** The first characters of text, whole code points; empty where they are not text. */
const headOf = (bytes: Uint8Array): string => {
  // A character has at most four bytes; up to three may be of one that was cut.
  const part = bytes.subarray(0, contentHeadCharsMax * 4);
  const cutMax = part.length < bytes.length ? 3 : 0;
  for (let cut = 0; cut <= cutMax; cut++) {
    const text = utf8Decode(part.subarray(0, part.length - cut));
    if (text === undefined) continue;
    const head = text.slice(0, contentHeadCharsMax);
    return head.isWellFormed() ? head : head.slice(0, -1);
  }
  return "";
};

export const contentRefOf = (
  bytes: Uint8Array,
  hashing: Hashing,
): { readonly sha256: Uint8Array; readonly length: number; readonly head: string } => ({
  sha256: hashing.sha256(bytes),
  length: bytes.length,
  head: headOf(bytes),
});
