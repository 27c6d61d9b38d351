/**
 * What a session's own state lets an agent see: contents that stand in place, and those that
 * whoever drives the session has read from where they are kept.
 */
import { utf8Decode, utf8Encode } from "@ioi/base";
import type { Look, Piece, Stretch } from "./agent.ts";
import type { SessionSnapshot } from "./session/state.ts";

/** Bytes that are kept behind a handle: those asked for, and how many there are. */
export interface KeptBytes {
  readonly bytes: Uint8Array;
  readonly total: number;
}

const replacement = "\uFFFD";

/** The length of the well-formed sequence at `at`; 0 where there is none. */
const sequenceAt = (bytes: Uint8Array, at: number): number => {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  return utf8Decode(bytes.subarray(at, at + length)) === undefined ? 0 : length;
};

/** UTF-8 with U+FFFD for every byte that is not part of it. */
export const decodeLossy = (bytes: Uint8Array): string => {
  const whole = utf8Decode(bytes);
  if (whole !== undefined) return whole;
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < bytes.length;) {
    const length = sequenceAt(bytes, at);
    if (length === 0) {
      parts.push(utf8Decode(bytes.subarray(from, at)) ?? "", replacement);
      from = at + 1;
    }
    at += Math.max(1, length);
  }
  parts.push(utf8Decode(bytes.subarray(from)) ?? "");
  return parts.join("");
};

const pieceOf = ({ bytes, total }: KeptBytes): Piece => ({
  text: decodeLossy(bytes),
  bytes: bytes.length,
  total,
});

/** `kept` answers for what is behind a handle; undefined where it is not at hand. */
export const lookAt = (
  session: SessionSnapshot,
  kept: (stretch: Stretch) => KeptBytes | "none" | undefined = () => "none",
): Look => ({
  session,
  piece: (stretch) => {
    const { n, offset, length } = stretch;
    const outcome = session.actions[n - 1]?.outcome;
    if (outcome?.content !== undefined) {
      const whole = utf8Encode(outcome.content);
      return pieceOf({ bytes: whole.subarray(offset, offset + length), total: whole.length });
    }
    if (outcome?.handle === undefined) return "none";
    const found = kept(stretch);
    return found === undefined || found === "none" ? found : pieceOf(found);
  },
});
