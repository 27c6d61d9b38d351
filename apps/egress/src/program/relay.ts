/**
 * Carries bytes between a program and a server, both ways, counted while they pass. A side that ends
 * is ended on the other; what is over the flow's bound is not passed on.
 *
 * Bounds: the meter's bytes, `programSilenceMs`; nothing is held but what the sockets hold.
 */
import type { Socket } from "node:net";
import { programSilenceMs } from "../limits.ts";

/** How many of these bytes may still pass; fewer than asked: the flow is over. */
export interface Meter {
  up(bytes: number): number;
  down(bytes: number): number;
}

/** Sees what goes up before it does: what to send now, or why nothing more goes. */
export type Gate = (bytes: Buffer) => { readonly send: Buffer } | { readonly refuse: string };

export interface RelayEnd {
  /** Why it was cut; empty where both sides ended by themselves. */
  readonly cut: string;
}

const open: Gate = (bytes) => ({ send: bytes });

export const relay = (
  program: Socket,
  server: Socket,
  meter: Meter,
  first: Buffer,
  signal: AbortSignal,
  gate: Gate = open,
): Promise<RelayEnd> =>
  new Promise((resolve) => {
    let cut = "";
    const finish = (): void => {
      clearTimeout(silence);
      signal.removeEventListener("abort", onAbort);
      resolve({ cut });
    };
    const end = (why: string): void => {
      if (cut === "") cut = why;
      program.destroy();
      server.destroy();
    };
    const onAbort = (): void => end("stopped");
    const silence = setTimeout(() => end("silence"), programSilenceMs);
    const pass = (
      from: Socket,
      to: Socket,
      bytes: Buffer,
      count: (bytes: number) => number,
    ): void => {
      silence.refresh();
      const room = count(bytes.length);
      if (room > 0 && !to.destroyed && !to.write(bytes.subarray(0, room))) {
        from.pause();
        to.once("drain", () => from.resume());
      }
      if (room < bytes.length) end("bytes");
    };
    const up = (bytes: Buffer): void => {
      const judged = gate(bytes);
      if ("refuse" in judged) end(judged.refuse);
      else if (judged.send.length > 0) pass(program, server, judged.send, (n) => meter.up(n));
    };
    const closed = (other: Socket) => (): void => {
      if (!other.destroyed) other.end();
      if (program.destroyed && server.destroyed) finish();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    program.on("data", up);
    server.on("data", (bytes: Buffer) => pass(server, program, bytes, (n) => meter.down(n)));
    program.on("end", () => server.end());
    server.on("end", () => program.end());
    for (const socket of [program, server]) socket.on("error", () => socket.destroy());
    program.on("close", closed(server));
    server.on("close", closed(program));
    if (first.length > 0) up(first);
    program.resume();
    server.resume();
    if (signal.aborted) onAbort();
    if (program.destroyed && server.destroyed) finish();
  });
