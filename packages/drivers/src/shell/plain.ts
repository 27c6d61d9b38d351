/**
 * A terminal's bytes as text while they come, for whoever watches: without the sequences that move
 * cursors and colour letters. One that is cut is held back until its rest is there.
 */
import { stripVTControlCharacters } from "node:util";

/** Characters of a sequence that is waited for; a longer one is none. */
const sequenceCharsMax = 64;

/** Where a sequence, or the end of a line, begins that may go on; the length where none does. */
const cutAt = (text: string): number => {
  const from = text.lastIndexOf("\u001b");
  const tail = text.slice(from + 1);
  const isCut =
    from !== -1 &&
    tail.length < sequenceCharsMax &&
    (tail.startsWith("]") ? !tail.includes("\u0007") : /^(?:\[[0-?]*[ -/]*)?$/.test(tail));
  if (isCut) return from;
  return text.endsWith("\r") ? text.length - 1 : text.length;
};

export class PlainText {
  readonly #decoder = new TextDecoder();
  #held = "";

  push(bytes: Uint8Array): Uint8Array {
    const text = this.#held + this.#decoder.decode(bytes, { stream: true });
    const cut = cutAt(text);
    this.#held = text.slice(cut);
    const plain = stripVTControlCharacters(text.slice(0, cut));
    return Buffer.from(plain.replaceAll("\r\n", "\n").replaceAll("\u001b", ""));
  }
}
