/** What a probe is told: where the canaries are. Plain data, passed as JSON. */

export interface SceneFacts {
  /** The bytes that a canary file, variable or process carries; seeing them inside is harm. */
  readonly canary: string;
  readonly workspace: string;
  readonly readOnly: string;
  readonly outside: string;
  /** Something in the home folder that no sandbox has to show; empty where there is nothing. */
  readonly homeEntry: string;
  /** As a kernel's data folder: nothing of it is granted here. */
  readonly dataFolder: string;
  /** A masked folder and file below the workspace, and a masked folder two levels down. */
  readonly maskedFolder: string;
  readonly maskedFile: string;
  readonly maskedDeep: string;
  readonly shmFile: string;
  /** The driver's own folder, below the workspace; the layers of the overlay are below it. */
  readonly vault: string;
  /** Masked by the driver's sandbox only; an inner sandbox must hide it too. */
  readonly hidden: string;
  /** What is written to `lower.txt` through the overlay; the folder below must not get it. */
  readonly changed: string;
  readonly victim: number;
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly unixPath: string;
  readonly unixDatagramPath: string;
  readonly abstractName: string;
  readonly sharedMemoryKey: number;
  /** A file handle of the canary file, hex; empty where the kernel gave none. */
  readonly handle: string;
  readonly handleType: number;
  /** A descriptor of a pseudo-terminal; -1 where there is none. */
  readonly terminal: number;
  readonly codeFile: string;
}

export interface Attempt {
  /** The attempt did what the sandbox must prevent. */
  readonly done: boolean;
  readonly detail: string;
}

export type AttemptFunction = (facts: SceneFacts) => Attempt | Promise<Attempt>;

/** Variables that carry the facts and the list of attempts to a probe. */
export const probeFactsVariable = "IOI_PROBE_FACTS";
export const probeListVariable = "IOI_PROBE_LIST";
/** Set in the parent's environment only; a program that sees it has inherited it. */
export const leakVariable = "IOI_CANARY_VARIABLE";
