/**
 * A duplex stream whose bytes travel as frames of somebody else's stream: what one end writes is
 * given to `send`, what arrives is handed to `receive`.
 *
 * What was written together travels together, in pieces of at most `tunnelPieceBytesMax` where it
 * came in smaller ones. Nothing is written while `send` is not done.
 */
import { Duplex } from "node:stream";
import { tunnelPieceBytesMax } from "./limits.ts";

/** A promise, where there is one, holds back what follows; its failure ends the stream. */
export type TunnelSend = (bytes: Uint8Array) => Promise<void> | void;

const joined = (chunks: readonly Buffer[]): readonly Uint8Array[] => {
  const pieces: Uint8Array[] = [];
  let group: Buffer[] = [];
  let bytes = 0;
  const end = (): void => {
    if (group.length > 0) pieces.push(Buffer.concat(group, bytes));
    [group, bytes] = [[], 0];
  };
  for (const chunk of chunks) {
    if (bytes + chunk.length > tunnelPieceBytesMax) end();
    group.push(chunk);
    bytes += chunk.length;
  }
  end();
  return pieces;
};

export class Tunnel extends Duplex {
  readonly #send: TunnelSend;

  constructor(send: TunnelSend) {
    super({ allowHalfOpen: false });
    this.#send = send;
  }

  /** Bytes from the other end. */
  receive(bytes: Uint8Array): void {
    if (!this.destroyed) this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  /** The carrier has ended. */
  finish(): void {
    this.push(null);
    this.destroy();
  }

  override _read(): void {
    // Bytes are pushed as they come; the carrier's own flow control bounds them.
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#sendAll([new Uint8Array(chunk)], done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error) => void,
  ): void {
    this.#sendAll(joined(chunks.map(({ chunk }) => chunk)), done);
  }

  #sendAll(pieces: readonly Uint8Array[], written: (error?: Error) => void): void {
    for (const [at, piece] of pieces.entries()) {
      const sent = this.#send(piece);
      if (sent === undefined) continue;
      sent.then(
        () => this.#sendAll(pieces.slice(at + 1), written),
        (error: unknown) => written(error instanceof Error ? error : undefined),
      );
      return;
    }
    written();
  }

  override _final(done: () => void): void {
    done();
  }
}
