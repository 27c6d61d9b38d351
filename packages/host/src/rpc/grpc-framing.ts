/**
 * gRPC over HTTP/2, the parts both ends share.
 *
 * Source: the gRPC over HTTP/2 protocol (length-prefixed messages, `grpc-status` trailers,
 * `grpc-timeout`). Identity compression only. Additions that other implementations ignore: the
 * trailers `ioi-code` and `ioi-next` carry the code and the next step of an `OperationError`, so that
 * a rejection keeps its name across processes; the header `ioi-final` promises that status 0 follows the one message, so that
 * a caller need not wait for the trailers, which travel in a write of their own.
 */
import { OperationError } from "@ioi/base";
import { rpcMessageBytesMax } from "@ioi/wire";
import { rpcErrorCharsMax } from "./limits.ts";

export const finalHeader = "ioi-final";

export const encodeMessageText = (text: string): string =>
  encodeURIComponent(text.slice(0, rpcErrorCharsMax).toWellFormed());

export const decodeMessageText = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** One length-prefixed message. */
export const frame = (message: Uint8Array): Buffer => {
  const framed = Buffer.allocUnsafe(5 + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
};

/** Cuts a byte stream into messages; bounded by one message. */
export class Deframer {
  #parts: Buffer[] = [];
  #length = 0;

  /** The messages completed by `chunk`. Throws E_RPC_TOO_LARGE or E_RPC_MALFORMED. */
  push(chunk: Buffer): Buffer[] {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    const messages: Buffer[] = [];
    while (this.#length >= 5) {
      if (this.#parts.length > 1 && (this.#parts[0] as Buffer).length < 5) this.#join();
      const first = this.#parts[0] as Buffer;
      const length = first.readUInt32BE(1);
      if (first[0] !== 0) throw new OperationError("E_RPC_MALFORMED", "compressed message");
      if (length > rpcMessageBytesMax) {
        throw new OperationError("E_RPC_TOO_LARGE", `message of ${length} bytes`);
      }
      if (this.#length < 5 + length) break;
      this.#join();
      const all = this.#parts[0] as Buffer;
      messages.push(all.subarray(5, 5 + length));
      const rest = all.subarray(5 + length);
      this.#parts = rest.length === 0 ? [] : [rest];
      this.#length = rest.length;
    }
    return messages;
  }

  /** True when the stream ended inside a message. */
  get partial(): boolean {
    return this.#length > 0;
  }

  #join(): void {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts)];
  }
}

/** `grpc-timeout` as milliseconds; undefined where absent or malformed. */
export const parseTimeout = (header: string | undefined): number | undefined => {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header ?? "");
  if (match === null) return undefined;
  const unit = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }[match[2] as "H"];
  return Number(match[1]) * unit;
};
