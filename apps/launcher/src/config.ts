/** What the launcher is told, and what it tells the processes of the kernel. */
import type { Credentials } from "@ioi/host/crypto";

export interface LauncherConfig {
  /** Absolute path of the data folder. */
  readonly data: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** False only for measurements: receipts are then not synced before a ticket leaves. */
  readonly durable?: boolean;
}

interface Common {
  /** The process's own folder inside the data folder. */
  readonly dir: string;
  readonly dataFolder: string;
  readonly credentials: Credentials;
  readonly version: string;
}

export interface GuardianProcessConfig extends Common {
  readonly productFolders: readonly string[];
  readonly home: string;
  /** Hex of raw Ed25519 public keys. */
  readonly devices: readonly string[];
  readonly durable: boolean;
}

export interface WorkloadProcessConfig extends Common {
  readonly home: string;
}

export interface OrchestratorProcessConfig extends Common {
  readonly host: string;
  readonly port: number;
  /** Hex. */
  readonly chainId: string;
}
