/**
 * The text of a PDF, with bounds that hold whatever the file does: a thread of its own, ended when it
 * takes too long or too much memory.
 *
 * Bounds: `pdfBytesMax`, `pdfPagesMax`, `pdfTextCharsMax`, `pdfMsMax`, `pdfMemoryBytesMax` of the
 * process, looked at every `pdfLookMs`. One file at a time; the thread ends after `pdfIdleMs`.
 */
import { Worker } from "node:worker_threads";
import { OperationError } from "@ioi/base";
import {
  pdfHeapMiBMax,
  pdfIdleMs,
  pdfLookMs,
  pdfMemoryBytesMax,
  pdfMsMax,
  pdfPagesMax,
  pdfTextCharsMax,
} from "../limits.ts";

export interface PdfQuestion {
  readonly bytes: Uint8Array;
  readonly pagesMax: number;
  readonly charsMax: number;
}

export type PdfAnswer =
  | {
      readonly type: "text";
      readonly text: string;
      readonly pages: number;
      /** There is more than was read. */
      readonly more: boolean;
    }
  | { readonly type: "encrypted" | "damaged" };

export type PdfText = PdfAnswer | { readonly type: "too slow" | "too large" };

const start = (): Worker =>
  new Worker(new URL("./worker.ts", import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: pdfHeapMiBMax },
    stdout: true,
    stderr: true,
  });

export interface PdfBounds {
  readonly msMax: number;
  readonly memoryBytesMax: number;
}

export class PdfReader implements AsyncDisposable {
  readonly #bounds: PdfBounds;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** One at a time: the memory of the process is that of one file. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(bounds: PdfBounds = { msMax: pdfMsMax, memoryBytesMax: pdfMemoryBytesMax }) {
    this.#bounds = bounds;
  }

  async read(bytes: Uint8Array, signal: AbortSignal): Promise<PdfText> {
    const reading = this.#last.then(() => this.#ask(bytes, signal));
    this.#last = reading.catch(() => undefined);
    return await reading;
  }

  async #ask(bytes: Uint8Array, signal: AbortSignal): Promise<PdfText> {
    signal.throwIfAborted();
    clearTimeout(this.#idle);
    this.#worker ??= start();
    const worker = this.#worker;
    const answer = await this.#answer(worker, bytes, signal);
    if (answer.type === "text" || answer.type === "encrypted" || answer.type === "damaged") {
      this.#idle = setTimeout(() => void this.#end(), pdfIdleMs).unref();
      worker.unref();
    } else await this.#end();
    signal.throwIfAborted();
    return answer;
  }

  #answer(worker: Worker, bytes: Uint8Array, signal: AbortSignal): Promise<PdfText> {
    worker.ref();
    const began = performance.now();
    const memoryBefore = process.memoryUsage.rss();
    return new Promise<PdfText>((resolve, reject) => {
      const look = setInterval(() => {
        const grown = process.memoryUsage.rss() - memoryBefore;
        if (performance.now() - began > this.#bounds.msMax) done({ type: "too slow" });
        else if (grown > this.#bounds.memoryBytesMax) done({ type: "too large" });
      }, pdfLookMs);
      const onMessage = (answer: PdfAnswer): void => done(answer);
      const onError = (error: Error & { readonly code?: string }): void => {
        if (error.code === "ERR_WORKER_OUT_OF_MEMORY") done({ type: "too large" });
        else fail(new OperationError("E_FS_PDF_DAMAGED", "it ended the reader", { cause: error }));
      };
      const onExit = (): void => done({ type: "too large" });
      const onAbort = (): void => done({ type: "too slow" });
      const leave = (): void => {
        clearInterval(look);
        worker.off("message", onMessage).off("error", onError).off("exit", onExit);
        signal.removeEventListener("abort", onAbort);
      };
      const done = (answer: PdfText): void => {
        leave();
        resolve(answer);
      };
      const fail = (error: Error): void => {
        leave();
        this.#worker = undefined;
        reject(error);
      };
      worker.on("message", onMessage).on("error", onError).on("exit", onExit);
      signal.addEventListener("abort", onAbort, { once: true });
      const question: PdfQuestion = { bytes, pagesMax: pdfPagesMax, charsMax: pdfTextCharsMax };
      worker.postMessage(question);
    });
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}
