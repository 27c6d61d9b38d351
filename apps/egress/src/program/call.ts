/** What a way out is given, what it serves, and what it notes. */
import type net from "node:net";
import type { Log } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import type { ProgramAuthority } from "@ioi/host/crypto";
import type { SharedPorts } from "../carry.ts";
import type { FlowBounds } from "../check.ts";
import type { Wish } from "./head.ts";
import type { Inlet } from "./inlet.ts";
import type { Mode, Want } from "./permits.ts";

export interface FlowEntry {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly mode: Mode;
  readonly want: number;
}

export interface FlowOptions {
  readonly session: string;
  readonly counter: bigint;
  readonly bounds: FlowBounds;
  /** Listens inside of the program's sandbox. */
  readonly descriptor: number;
  readonly provider: CryptoProvider;
  readonly ports: SharedPorts;
  readonly onWant: (want: Want) => void;
  /** Of the hosts whose connections are opened; none where there is no such host. */
  readonly authority?: ProgramAuthority;
  readonly log: Log;
}

/** One connection of the program, once it is known what it wants. */
export interface Call {
  readonly program: net.Socket;
  readonly inlet: Inlet;
  readonly signal: AbortSignal;
  readonly wish: Wish;
  /** Says that it goes on, or why not. */
  readonly opened: () => void;
  readonly refuse: (status: number, message: string) => void;
  readonly failed: (code: string, message: string) => void;
}
