/**
 * What every sandbox of a kind has in common. The launcher, the drivers and the self-test all take
 * it from here, so that what is tested is what runs.
 */
import type { SandboxKind, SandboxLimits, SandboxNetwork } from "./spec.ts";

export interface KindProfile {
  readonly network: SandboxNetwork;
  readonly unixSockets?: boolean;
  readonly mayCreateNamespaces: boolean;
  readonly limits: SandboxLimits;
}

const gibibyte = 1_073_741_824;

const own = (network: "none" | "host"): KindProfile => ({
  network,
  mayCreateNamespaces: false,
  limits: { openFiles: 4096, memoryBytes: 8 * gibibyte },
});

export const kindProfiles: Readonly<Record<SandboxKind, KindProfile>> = {
  guardian: own("none"),
  workload: own("none"),
  orchestrator: own("host"),
  egress: own("host"),
  // Its listening sockets are inherited; it calls the kernel's in `run/`.
  console: { ...own("none"), unixSockets: true },
  files: own("none"),
  net: own("none"),
  model: own("none"),
  memory: own("none"),
  // Its own namespace is empty and stays so; a command's filter cannot allow what this one refuses.
  exec: {
    network: "own",
    mayCreateNamespaces: true,
    limits: { openFiles: 4096, processes: 2048 },
  },
  /** Builds a sandbox for each terminal, which may have a way out, in a file system of its own. */
  shell: {
    network: "own",
    mayCreateNamespaces: true,
    limits: { openFiles: 4096, processes: 2048 },
  },
  /** Builds a sandbox for each server. */
  mcp: {
    network: "none",
    mayCreateNamespaces: true,
    limits: { openFiles: 4096, processes: 2048 },
  },
  agent: {
    network: "none",
    mayCreateNamespaces: false,
    limits: { memoryBytes: 2 * gibibyte, processes: 64, fileBytes: gibibyte, openFiles: 256 },
  },
  command: {
    network: "none",
    mayCreateNamespaces: false,
    limits: {
      memoryBytes: 4 * gibibyte,
      processes: 512,
      fileBytes: 2 * gibibyte,
      openFiles: 1024,
      cpuSeconds: 600,
    },
  },
};
