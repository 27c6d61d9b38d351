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
  /** Absent: no console, no page. */
  readonly page?: PageConfig;
  readonly egress?: EgressConfig;
  /** Descriptor of a file with the keys of the environment; only the Guardian reads it. */
  readonly keysDescriptor?: number;
  /** At the latest after so long the chain makes a block. */
  readonly idleBlockMs?: number;
}

export interface EgressConfig {
  /** Certificate authorities beside the platform's, in PEM. */
  readonly authorities?: readonly string[];
  /** `address:port` of the resolver; the machine's own where absent. */
  readonly resolver?: string;
}

export interface EgressProcessConfig {
  /** Hex. */
  readonly guardianIdentity: string;
  readonly bootCertificate: string;
  readonly authorities: readonly string[];
  readonly resolver?: string;
}

export interface PageConfig {
  /** Absent: the port of the last time, else `defaultPort`; 0 takes a free one. */
  readonly port?: number;
  readonly defaultPort: number;
  /** Absolute folder that holds built pages, the file `current` names one; empty: none is built. */
  readonly pages: string;
}

export interface ConsoleProcessConfig {
  readonly dataFolder: string;
  readonly version: string;
  readonly port: number;
  readonly pages: string;
  /** Hex; authenticates this launcher's cookies. */
  readonly cookieKey: string;
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
  /** Where paired browsers answer cards; none where no page is served. */
  readonly approveOrigins: readonly string[];
  readonly durable: boolean;
  /** Keys of the environment come over a descriptor. */
  readonly keysOffered: boolean;
}

/** Of the Workload and the Orchestrator. */
interface BulkConfig {
  /** Descriptors of shared memory between the two were handed over. */
  readonly planes: boolean;
}

export interface WorkloadProcessConfig extends Common, BulkConfig {
  readonly home: string;
}

export interface OrchestratorProcessConfig extends Common, BulkConfig {
  readonly host: string;
  readonly port: number;
  /** Hex. */
  readonly chainId: string;
  /** The Guardian's key that signs headers and checkpoints, in hex. */
  readonly identity: string;
  readonly idleBlockMs?: number;
}
