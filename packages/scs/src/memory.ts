/** A memory as its owner gives and gets it, and its canonical content in a frame. */
import { err, ok, type Rejection, type Result, utf8Decode, utf8Encode } from "@ioi/base";
import { schema } from "@ioi/wire";
import { memoryBytesMax, memoryTimeMsMax, memoryTagsMax } from "./limits.ts";
import { content, type Origin } from "./messages.ts";

export interface NewMemory {
  readonly text: string;
  readonly mediaType?: string;
  /** When it was said, where that is known. */
  readonly saidMs?: number;
  readonly origin: Origin;
  /** File, address or message that it is from. */
  readonly source?: string;
  readonly tags?: readonly string[];
  /** Retention class, 0 unless said. */
  readonly class?: number;
}

export interface Memory extends Required<Omit<NewMemory, "saidMs">> {
  readonly id: number;
  readonly atMs: number;
  readonly saidMs?: number;
}

export type InputError = Rejection<"E_SCS_INPUT">;

const refuse = (message: string): Result<never, InputError> =>
  err({ code: "E_SCS_INPUT", message });

const isText = (value: string, charsMax: number): boolean =>
  value.length <= charsMax && value.isWellFormed();

/** The content that is sealed; refused where it could not be read back as it is. */
export const encodeMemory = (
  memory: NewMemory,
  salt: Uint8Array,
  atMs: number,
): Result<Uint8Array, InputError> => {
  const { text, mediaType = "text/plain", source = "", tags = [], origin, saidMs } = memory;
  if (text === "") return refuse("the memory is empty");
  if (!text.isWellFormed()) return refuse("the memory is no well-formed text");
  // A character is at most three bytes, so this bounds the work before it is done.
  const bytes = text.length <= memoryBytesMax ? utf8Encode(text) : undefined;
  if (bytes === undefined || bytes.length > memoryBytesMax) {
    return refuse(`the memory has more than ${memoryBytesMax} bytes`);
  }
  if (tags.length > memoryTagsMax || new Set(tags).size !== tags.length) {
    return refuse(`more than ${memoryTagsMax} tags, or one of them twice`);
  }
  if (!tags.every((tag) => tag !== "" && isText(tag, 128))) return refuse("a tag is malformed");
  const isNamed =
    isText(mediaType, 128) &&
    isText(source, 2048) &&
    isText(origin.kind, 32) &&
    isText(origin.from, 2048);
  const kept = memory.class ?? 0;
  const isNumbered =
    Number.isInteger(kept) &&
    kept >= 0 &&
    kept < 2 ** 32 &&
    (saidMs === undefined ||
      (Number.isInteger(saidMs) && saidMs >= 0 && saidMs <= memoryTimeMsMax));
  if (!isNamed || !isNumbered) return refuse("origin, source, type, time or class is malformed");
  return ok(
    schema.encode(content, {
      salt,
      text: bytes,
      mediaType,
      atMs,
      ...(saidMs === undefined ? {} : { saidMs }),
      origin,
      source,
      tags,
    }),
  );
};

/** The memory in a content; undefined where it is none. */
export const decodeMemory = (id: number, kept: number, bytes: Uint8Array): Memory | undefined => {
  const decoded = schema.decode(content, bytes);
  if (!decoded.ok) return undefined;
  const { text: raw, mediaType, atMs, saidMs, origin, source, tags } = decoded.value;
  const text = utf8Decode(raw);
  if (text === undefined) return undefined;
  const said = saidMs === undefined ? {} : { saidMs };
  return { id, class: kept, text, mediaType, atMs, ...said, origin, source, tags };
};
