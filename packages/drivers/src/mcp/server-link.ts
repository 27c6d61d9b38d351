/** A connection to an MCP server, whichever way it is reached: whole messages both ways. */
export interface ServerEvents {
  readonly message: (bytes: Uint8Array) => void;
  /** It broke the rules of its transport. */
  readonly fault: (why: string) => void;
  /** Once, whoever ended it. `errors`: the end of its error output. */
  readonly ended: (why: string, errors: string) => void;
}

export interface ServerLink {
  send(bytes: Uint8Array): void;
  /** Reads nothing more of it, until it is told otherwise. */
  pause(paused: boolean): void;
  /** Bytes that it has not taken yet. */
  readonly waiting: number;
  /** It and all that it started are gone when this resolves. */
  close(): Promise<void>;
}
