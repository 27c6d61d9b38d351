/** Drivers that make requests: no folder, and a socket to egress on descriptor 5. */
import net from "node:net";
import { OperationError } from "@ioi/base";
import { client, connect } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { RequestClaims } from "../net/claims.ts";
import type { Driver } from "./driver.ts";
import type { StartInput } from "./start.ts";

const EGRESS = 5;

export const openRequester = async (
  { profile, vault }: StartInput,
  kind: "net" | "model",
): Promise<Driver> => {
  if (profile.network !== "egress") {
    throw new OperationError("E_DRIVER_START", `a ${kind} driver without a way to egress`);
  }
  const socket = new net.Socket({ fd: EGRESS, readable: true, writable: true });
  // The process ends with the Workload's channel, whoever is at the other end of this one.
  socket.unref();
  const egress = client(pb.Egress, connect(socket));
  const claims = new RequestClaims(vault);
  if (kind === "net") {
    const { NetDriver } = await import("../net/driver.ts");
    return new NetDriver(egress, claims);
  }
  const { ModelDriver } = await import("../model/driver.ts");
  const { modelOptions } = await import("../model/egress.ts");
  return new ModelDriver(modelOptions(egress, profile.limits.wallMs, claims));
};
