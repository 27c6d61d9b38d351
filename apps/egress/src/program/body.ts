/**
 * The body of a program's request where it is held whole: said by a length, or in chunks. RFC 9112,
 * section 7.1, read strictly: sizes in hexadecimal without extensions, no fields after the last chunk.
 * Pure. Bounds: `programBodyBytesMax`, `chunkLineBytesMax`.
 */
import { err, ok, type Result } from "@ioi/base";
import { chunkLineBytesMax, programBodyBytesMax } from "../limits.ts";

export interface BodyRefusal {
  readonly status: 400 | 413;
  readonly message: string;
}

/** What is over takes this many bytes of what came. */
export interface HeldBody {
  readonly body: Buffer;
  readonly taken: number;
}

const bad = (message: string): Result<never, BodyRefusal> => err({ status: 400, message });
const tooLong: Result<never, BodyRefusal> = err({
  status: 413,
  message: `a body that is judged, or comes in chunks, has at most ${programBodyBytesMax} bytes`,
});

const lineEnd = Buffer.from("\r\n");

/** Remembers where it was: a body in a thousand pieces is read once. */
export const chunkedReader = (): ((bytes: Buffer) => Result<HeldBody | undefined, BodyRefusal>) => {
  const parts: Buffer[] = [];
  let at = 0;
  let length = 0;
  return (bytes) => {
    for (;;) {
      const end = bytes.indexOf(lineEnd, at);
      if (end < 0) {
        return bytes.length - at > chunkLineBytesMax
          ? bad("the line before a chunk is too long")
          : ok(undefined);
      }
      const line = bytes.toString("latin1", at, end);
      if (!/^[0-9A-Fa-f]{1,8}$/.test(line)) {
        return bad("the line before a chunk is no size, or says more");
      }
      const size = Number.parseInt(line, 16);
      const from = end + lineEnd.length;
      if (length + size > programBodyBytesMax) return tooLong;
      const to = from + size;
      if (bytes.length < to + lineEnd.length) return ok(undefined);
      if (bytes[to] !== 13 || bytes[to + 1] !== 10) {
        return bad(size === 0 ? "fields after a body are not carried" : "a chunk has no end");
      }
      at = to + lineEnd.length;
      if (size === 0) return ok({ body: Buffer.concat(parts), taken: at });
      parts.push(Buffer.from(bytes.subarray(from, to)));
      length += size;
    }
  };
};

export const lengthReader =
  (length: number) =>
  (bytes: Buffer): Result<HeldBody | undefined, BodyRefusal> => {
    if (length > programBodyBytesMax) return tooLong;
    if (bytes.length < length) return ok(undefined);
    return ok({ body: Buffer.from(bytes.subarray(0, length)), taken: length });
  };
