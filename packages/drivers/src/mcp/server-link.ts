/** A connection to an MCP server, whichever way it is reached: whole messages both ways. */
import type { ActContext } from "../core/driver.ts";

/** One request under a ticket; `address`: where a redirect of the server leads. */
export type Perform = (context: ActContext, address?: string) => Promise<Exchange>;

export interface ServerEvents {
  readonly message: (bytes: Uint8Array) => void;
  /** It broke the rules of its transport. */
  readonly fault: (why: string) => void;
  /** Once, whoever ended it. `errors`: the end of its error output. */
  readonly ended: (why: string, errors: string) => void;
  /**
   * It has a request to make that is no message of anybody: it is performed under a ticket of its own,
   * as an action of this name. Undefined where nobody permitted it, or it failed.
   */
  readonly request: (tool: string, perform: Perform) => Promise<Exchange | undefined>;
}

/** What came of a message that had a ticket of its own. */
export interface Exchange {
  /** The response held the answer to the request that was sent. */
  readonly answered: boolean;
  /** Of HTTP. */
  readonly status: number;
  readonly evidence: Readonly<Record<string, string>>;
  /** The server sends this very request on, to another address of its origin: a new action. */
  readonly moved?: string;
}

export interface ServerLink {
  /** Every message needs a ticket of its own: `exchange` instead of `send`. */
  readonly ticketed?: true;
  send(bytes: Uint8Array): void;
  exchange?(bytes: Uint8Array, context: ActContext, address?: string): Promise<Exchange>;
  /** Reads nothing more of it, until it is told otherwise. */
  pause(paused: boolean): void;
  /** Bytes that it has not taken yet. */
  readonly waiting: number;
  /** It and all that it started are gone when this resolves. */
  close(): Promise<void>;
}
