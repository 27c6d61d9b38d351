/** Drivers over the session's folders; what a former instance left is settled first. */
import net from "node:net";
import { pb, type Profile } from "@ioi/wire";
import { EffectEngine } from "../effects/engine.ts";
import { unfinished } from "../effects/settle.ts";
import { Roots } from "../fs/roots.ts";
import { Vault } from "../vault/vault.ts";
import type { Driver } from "./driver.ts";
import type { WaysOut } from "../way-out/way-out.ts";
import type { StartInput } from "./start.ts";

/** A socket to egress, and the message socket of programs' sandboxes, where the profile has them. */
const [egressSocket, waysOutSocket] = [5, 6] as const;

export const waysOut = async ({ network }: Profile): Promise<WaysOut | undefined> => {
  if (network !== "bridge") return undefined;
  const [{ WaysOut }, { client, connect }] = await Promise.all([
    import("../way-out/way-out.ts"),
    import("@ioi/host/rpc"),
  ]);
  const socket = new net.Socket({ fd: egressSocket, readable: true, writable: true });
  // The process ends with the Workload's channel, whoever is at the other end of this one.
  socket.unref();
  return new WaysOut(client(pb.ProgramNetwork, connect(socket)), waysOutSocket);
};

export const openFolders = async (
  { profile, vault, instanceId }: StartInput,
  kind: "files" | "exec" | "shell",
): Promise<Driver> => {
  const engine = new EffectEngine({
    roots: new Roots(profile),
    vault: new Vault(vault, kind),
    wallMs: () => Date.now(),
  });
  const driver = await driverOver(engine, profile, instanceId, kind);
  for (const counter of unfinished(engine)) await driver.settle(counter);
  return driver;
};

const driverOver = async (
  engine: EffectEngine,
  profile: StartInput["profile"],
  instanceId: Uint8Array,
  kind: "files" | "exec" | "shell",
): Promise<Driver> => {
  switch (kind) {
    case "files":
      return new (await import("../files/driver.ts")).FilesDriver(engine);
    case "exec":
      return new (await import("../exec/driver.ts")).ExecDriver(
        engine,
        profile,
        await waysOut(profile),
      );
    case "shell":
      return new (await import("../shell/driver.ts")).ShellDriver(
        engine,
        profile,
        instanceId,
        await waysOut(profile),
      );
  }
};
