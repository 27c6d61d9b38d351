/**
 * Sandboxes of every kind, as the launcher and the drivers make them, with a program in them that
 * tries to connect. Those with a network of their own are the control: there the program does.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { kindProfiles, type SandboxKind, spawnSandboxed } from "@ioi/host/sandbox";

const script = (address: string, port: number): string =>
  `exec 3<>/dev/tcp/${address}/${port} && printf x >&3`;

/** The program outside of every sandbox. */
export const probeOutside = async (address: string, port: number): Promise<void> => {
  const child = spawn("/bin/bash", ["-c", script(address, port)], { stdio: "ignore" });
  await once(child, "exit");
};

export const probeInside = async (
  kind: SandboxKind,
  address: string,
  port: number,
): Promise<void> => {
  const { child } = spawnSandboxed(
    { name: `probe-${kind}`, kind, ...kindProfiles[kind], binds: [], masks: [] },
    {
      program: "/bin/bash",
      args: ["-c", script(address, port)],
      stdio: ["ignore", "ignore", "ignore"],
    },
  );
  await once(child, "exit");
};

export const closedKinds: readonly SandboxKind[] = [
  "guardian",
  "workload",
  "console",
  "files",
  "exec",
  "command",
  "net",
  "model",
  "agent",
];
