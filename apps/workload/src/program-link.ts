/**
 * The lines of an agent's program, over the socket that is its input and output. Its output is read
 * only while an answer is due, so that a program that floods waits for itself; of its error output
 * the end is kept. Bounds: `agentLineBytesMax`, `agentErrorBytesMax`.
 */
import type { Socket } from "node:net";
import { agentErrorBytesMax, agentLineBytesMax } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import type { AgentLink } from "./ends.ts";

const newline = 0x0a;

export class ProgramLink implements AgentLink {
  readonly #socket: Socket;
  readonly #kill: () => Promise<void>;
  /** What was read and is no whole line yet. */
  #blocks: Buffer[] = [];
  #length = 0;
  /** Read since it was asked last. */
  #bytes = 0;
  #over = false;
  #errors: Buffer = Buffer.alloc(0);
  readonly #waiting: Set<() => void> = new Set();

  constructor(socket: Socket, errors: Socket, kill: () => Promise<void>) {
    this.#socket = socket;
    this.#kill = kill;
    const wake = (): void => {
      for (const each of this.#waiting) each();
    };
    socket.on("readable", wake);
    const ended = (): void => {
      this.#over = true;
      wake();
    };
    socket.on("end", ended);
    socket.on("close", ended);
    // What cannot be written or read any more shows as its end.
    socket.on("error", ended);
    errors.on("error", () => undefined);
    errors.on("data", (block: Buffer) => {
      this.#errors = Buffer.concat([this.#errors, block]).subarray(-agentErrorBytesMax);
    });
  }

  send(line: string): void {
    if (!this.#socket.writableEnded && !this.#socket.destroyed) this.#socket.write(line);
  }

  async next(signal: AbortSignal): Promise<Uint8Array | undefined> {
    for (;;) {
      const line = this.#take();
      if (line !== undefined) return line;
      if (this.#over) return undefined;
      signal.throwIfAborted();
      await this.#readable(signal);
    }
  }

  takeBytes(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    return bytes;
  }

  errors(): string {
    return this.#errors.toString("utf8");
  }

  async kill(): Promise<void> {
    this.#over = true;
    this.#socket.destroy();
    await this.#kill();
  }

  /** A whole line out of what has come so far. */
  #take(): Buffer | undefined {
    for (;;) {
      const block = this.#socket.read() as Buffer | null;
      if (block === null) return undefined;
      this.#bytes += block.length;
      const end = block.indexOf(newline);
      if (this.#length + (end === -1 ? block.length : end) > agentLineBytesMax) {
        const message = `a line of more than ${agentLineBytesMax} bytes`;
        throw new OperationError("E_AGENT_FLOOD", message);
      }
      if (end === -1) {
        this.#blocks.push(block);
        this.#length += block.length;
        continue;
      }
      const line = Buffer.concat([...this.#blocks, block.subarray(0, end)]);
      this.#blocks = [];
      this.#length = 0;
      if (end + 1 < block.length) this.#socket.unshift(block.subarray(end + 1));
      return line;
    }
  }

  #readable(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }
}
