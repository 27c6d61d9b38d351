/**
 * A process of the kernel as the launcher starts it, but for its sandbox: channels at their fixed
 * descriptors, one JSON document, its control in our hand.
 */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import type net from "node:net";
import { fileURLToPath } from "node:url";
import { descriptors } from "@ioi/host/process";
import { client, type Client, connect } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

export interface Started {
  readonly child: ChildProcess;
  readonly control: Client<typeof pb.Process>;
}

const mainOf = (name: string): string =>
  fileURLToPath(new URL(`../../../apps/${name}/src/main.ts`, import.meta.url));

/** `inherited`: descriptors by their number there; they are closed here. */
export const startProcess = (
  name: "guardian" | "orchestrator" | "egress",
  config: object,
  inherited: Readonly<Record<number, number>>,
): Started => {
  const stdio: ("ignore" | "pipe" | "ipc" | number)[] = ["ignore", "ignore", "ignore"];
  stdio[descriptors.process] = "pipe";
  stdio[descriptors.config] = "pipe";
  for (const [at, fd] of Object.entries(inherited)) stdio[Number(at)] = fd;
  const holes = Array.from(stdio, (each) => each ?? "ignore");
  const child = spawn(process.execPath, ["--no-warnings", mainOf(name)], {
    // Sockets of drivers come to egress over it.
    stdio: name === "egress" ? [...holes, "ipc"] : holes,
  });
  for (const fd of Object.values(inherited)) fs.closeSync(fd);
  const pipes = child.stdio as readonly unknown[];
  const pipe = pipes[descriptors.config] as net.Socket;
  pipe.on("error", () => undefined);
  pipe.end(JSON.stringify(config));
  const channel = connect(pipes[descriptors.process] as net.Socket);
  return { child, control: client(pb.Process, channel) };
};
