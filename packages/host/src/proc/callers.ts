/**
 * Who is at the other end of a connection on loopback: the user that owns the calling socket, by the
 * kernel's own table. A port can be dialled by every user of a machine; this tells them apart.
 *
 * Source: proc(5). Only an established connection counts: one that was closed has no owner any more
 * and is shown as the superuser's. Bounds: `listenerRowsMax` rows of a table.
 */
import fs from "node:fs";
import { listenerRowsMax } from "./limits.ts";

const established = "01";
/** 127.0.0.1, as each of the two tables has it. */
const loopback = new Set(["0100007F", "0000000000000000FFFF00000100007F"]);

const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, "0");

/** User of the socket that called from `callerPort` to `port`; undefined where none is seen. */
export const callerUidOf = (callerPort: number, port: number): number | undefined => {
  for (const table of ["tcp", "tcp6"]) {
    let text: string;
    try {
      text = fs.readFileSync(`/proc/net/${table}`, "latin1");
    } catch {
      continue;
    }
    for (const line of text.split("\n", listenerRowsMax).slice(1)) {
      const [, local = "", remote = "", state, , , , uid] = line.trim().split(/\s+/);
      const [address = "", from] = local.split(":");
      if (from !== hex(callerPort) || remote.split(":")[1] !== hex(port)) continue;
      if (state === established && loopback.has(address)) return Number(uid);
    }
  }
  return undefined;
};
