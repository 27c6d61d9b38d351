/** What the probe of `escapes-in-driver.ts` is told, as JSON, and what it answers. Types only. */

export interface EscapeFacts {
  /** Stands in the files that must stay unseen. */
  readonly canary: string;
  /** A folder that no session was given. */
  readonly outside: string;
  /** The kernel's data folder. */
  readonly data: string;
  /** The session's own vault. */
  readonly vault: string;
  /** The driver that runs the probe, the session's other driver, and two of the kernel. */
  readonly driver: number;
  readonly sibling: number;
  readonly guardian: number;
  readonly workload: number;
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly unixPath: string;
  readonly abstractName: string;
}

export interface Attempt {
  readonly id: string;
  /** It did what must be impossible from inside. */
  readonly done: boolean;
  readonly detail: string;
}
