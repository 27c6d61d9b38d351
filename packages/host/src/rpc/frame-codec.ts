/**
 * The framed transport's bytes: what the processes of one kernel speak with each other instead of
 * HTTP/2, and what it may look like.
 *
 * Each end begins with the four bytes of `preface`. Then frames: length of the payload (u32), type
 * (u8), call (u32), payload; big-endian. The client opens calls and numbers them from 1.
 *
 * | type | payload | from |
 * | --- | --- | --- |
 * | call | head, request; nothing more will be sent | client |
 * | open | head; messages follow | client |
 * | message | one message | both |
 * | last | one message and the end (of a server: with status OK) | both |
 * | end | nothing (of a server: status OK) | both |
 * | fail | status (u8), then text, code and next step, each u16 length and UTF-8 | server |
 * | cancel | nothing | client |
 * | credit | bytes (u32) that may be sent beyond the window; call 0 is the connection | both |
 *
 * Head: deadline in milliseconds (u32, 0 is none), length of the path (u8), path.
 * Bounds: a payload is at most a message and a head; nothing is kept beyond one unfinished frame.
 */
import { OperationError } from "@ioi/base";
import { rpcMessageBytesMax } from "@ioi/wire";
import type { StatusLine } from "./status.ts";
import { rpcErrorCharsMax } from "./limits.ts";

export const preface = Buffer.from([0x69, 0x6f, 0x69, 0x01]);

export const frameType = {
  call: 1,
  open: 2,
  message: 3,
  last: 4,
  end: 5,
  fail: 6,
  cancel: 7,
  credit: 8,
} as const;
export type FrameType = (typeof frameType)[keyof typeof frameType];

export interface Frame {
  readonly type: FrameType;
  readonly call: number;
  readonly payload: Buffer;
}

const headerBytes = 9;
const headBytesMax = 5 + 255;
const payloadBytesMax = rpcMessageBytesMax + headBytesMax;
const u32Max = 0xffff_ffff;

const malformed = (message: string): OperationError =>
  new OperationError("E_RPC_MALFORMED", message);

/** Above this a payload is written as it is rather than copied behind its header. */
const copiedBytesMax = 16_384;

/** A frame as one piece, or two where the payload is long; `head` comes before the payload. */
export const encodeFrame = (
  type: FrameType,
  call: number,
  payload: Uint8Array,
  head?: Uint8Array,
): readonly Uint8Array[] => {
  const headLength = head?.length ?? 0;
  const copied = payload.length <= copiedBytesMax;
  const first = Buffer.allocUnsafe(headerBytes + headLength + (copied ? payload.length : 0));
  first.writeUInt32BE(headLength + payload.length, 0);
  first[4] = type;
  first.writeUInt32BE(call, 5);
  if (head !== undefined) first.set(head, headerBytes);
  if (!copied) return [first, payload];
  first.set(payload, headerBytes + headLength);
  return [first];
};

const isFrameType = (value: number): value is FrameType => value >= 1 && value <= 8;

const payloadLength = (bytes: Buffer, at: number): number => {
  const length = bytes.readUInt32BE(at);
  if (length > payloadBytesMax) {
    throw new OperationError("E_RPC_TOO_LARGE", `a frame of ${length} bytes`);
  }
  return length;
};

/** The length of the payload where a whole frame stands at `at`. */
const wholeAt = (chunk: Buffer, at: number): number | undefined => {
  if (chunk.length < at + headerBytes) return undefined;
  const length = payloadLength(chunk, at);
  return chunk.length < at + headerBytes + length ? undefined : length;
};

const frameOf = (header: Buffer, at: number, payload: Buffer): Frame => {
  const type = header[at + 4] as number;
  if (!isFrameType(type)) throw malformed(`a frame of type ${type}`);
  return { type, call: header.readUInt32BE(at + 5), payload };
};

/** Cuts what arrives into frames; an unfinished frame is gathered in one buffer of its length. */
export class FrameParser {
  #greeting = preface.length;
  /** Of a header that is not whole yet. */
  readonly #header = Buffer.alloc(headerBytes);
  /** The payload that is being gathered; empty while there is none. */
  #payload: Buffer = Buffer.alloc(0);
  /** Bytes of header and payload so far. */
  #filled = 0;

  /** The frames that `chunk` completes, in order. Throws E_RPC_MALFORMED or E_RPC_TOO_LARGE. */
  *push(chunk: Buffer): Generator<Frame, void, undefined> {
    let at = this.#greet(chunk);
    while (at < chunk.length) {
      if (this.#filled < headerBytes) {
        // Most frames arrive whole: they are not copied.
        const length = this.#filled === 0 ? wholeAt(chunk, at) : undefined;
        if (length !== undefined) {
          yield frameOf(chunk, at, chunk.subarray(at + headerBytes, at + headerBytes + length));
          at += headerBytes + length;
          continue;
        }
        at += this.#fill(this.#header, this.#filled, chunk, at);
        if (this.#filled < headerBytes) return;
        this.#payload = Buffer.allocUnsafeSlow(payloadLength(this.#header, 0));
      }
      at += this.#fill(this.#payload, this.#filled - headerBytes, chunk, at);
      if (this.#filled < headerBytes + this.#payload.length) return;
      const frame = frameOf(this.#header, 0, this.#payload);
      this.#filled = 0;
      this.#payload = Buffer.alloc(0);
      yield frame;
    }
  }

  #fill(target: Buffer, offset: number, chunk: Buffer, at: number): number {
    const copied = chunk.copy(target, offset, at);
    this.#filled += copied;
    return copied;
  }

  /** How many bytes of the chunk belong to the greeting. */
  #greet(chunk: Buffer): number {
    if (this.#greeting === 0) return 0;
    const seen = chunk.subarray(0, this.#greeting);
    const expected = preface.subarray(preface.length - this.#greeting);
    if (!seen.equals(expected.subarray(0, seen.length))) {
      throw malformed("the other end speaks another protocol");
    }
    this.#greeting -= seen.length;
    return seen.length;
  }
}

export interface CallHead {
  /** 0 is none. */
  readonly deadlineMs: number;
  readonly path: string;
}

export const encodeHead = ({ deadlineMs, path }: CallHead): Uint8Array => {
  const length = Buffer.byteLength(path);
  if (length > 255) throw malformed(`a path of ${length} bytes`);
  const head = Buffer.allocUnsafe(5 + length);
  head.writeUInt32BE(Math.min(Math.ceil(deadlineMs), u32Max), 0);
  head[4] = length;
  head.write(path, 5);
  return head;
};

/** The head of a call, and the request behind it. */
export const decodeHead = (payload: Buffer): { readonly head: CallHead; readonly rest: Buffer } => {
  const length = payload[4];
  if (length === undefined || payload.length < 5 + length) throw malformed("a call without a head");
  return {
    head: { deadlineMs: payload.readUInt32BE(0), path: payload.toString("latin1", 5, 5 + length) },
    rest: payload.subarray(5 + length),
  };
};

const textBytesMax = 4 * rpcErrorCharsMax;

export const encodeFailure = ({ status, message, code, next }: StatusLine): Uint8Array => {
  const parts = [message, code ?? "", next ?? ""].map((text) =>
    Buffer.from(text.slice(0, rpcErrorCharsMax).toWellFormed()),
  );
  const lengths = parts.map(({ length }) => Buffer.from([length >> 8, length & 0xff]));
  return Buffer.concat([
    Buffer.from([status]),
    ...parts.flatMap((part, index) => [lengths[index] as Buffer, part]),
  ]);
};

export const decodeFailure = (payload: Buffer): StatusLine => {
  const status = payload[0];
  const texts: string[] = [];
  let at = 1;
  while (texts.length < 3) {
    if (payload.length < at + 2) throw malformed("a failure that ends early");
    const length = payload.readUInt16BE(at);
    if (length > textBytesMax || payload.length < at + 2 + length) {
      throw malformed("a failure that ends early");
    }
    texts.push(payload.toString("utf8", at + 2, at + 2 + length));
    at += 2 + length;
  }
  const [message, code, next] = texts as [string, string, string];
  return {
    status: status as number,
    message,
    ...(code === "" ? {} : { code }),
    ...(next === "" ? {} : { next }),
  };
};

export const encodeCredit = (bytes: number): Uint8Array => {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(bytes);
  return payload;
};

export const decodeCredit = (payload: Buffer): number => {
  if (payload.length !== 4) throw malformed("a credit is four bytes");
  return payload.readUInt32BE(0);
};
