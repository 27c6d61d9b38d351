/**
 * A duplex stream whose bytes travel as frames of somebody else's stream: what one end writes is
 * given to `send`, what arrives is handed to `receive`.
 */
import { Duplex } from "node:stream";

export class Tunnel extends Duplex {
  readonly #send: (bytes: Uint8Array) => void;

  constructor(send: (bytes: Uint8Array) => void) {
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

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#send(new Uint8Array(chunk));
    done();
  }

  override _final(done: () => void): void {
    done();
  }
}
