/**
 * Who listens on a port of this machine: the owner by the kernel's own table, the program by the
 * descriptors of its processes.
 *
 * Source: proc(5). A program that runs as another user is not seen without rights; its owner is.
 * Bounds: `listenerRowsMax` rows of a table.
 */
import fs from "node:fs";
import { listenerRowsMax } from "./limits.ts";

export interface Listener {
  readonly uid: number;
  /** Absolute; empty where it cannot be seen. */
  readonly program: string;
}

interface Row {
  readonly uid: number;
  readonly inode: string;
}

const listening = "0A";

const rowsOf = (table: string, port: number): readonly Row[] => {
  let text: string;
  try {
    text = fs.readFileSync(`/proc/net/${table}`, "latin1");
  } catch {
    return [];
  }
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return text
    .split("\n", listenerRowsMax)
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [, local = "", , state, , , , uid, , inode] = fields;
      const isIt = state === listening && local.slice(local.lastIndexOf(":") + 1) === wanted;
      return isIt && inode !== undefined ? [{ uid: Number(uid), inode }] : [];
    });
};

const holds = (pid: string, socket: string): boolean => {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === socket;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
};

const programOf = (inode: string): string => {
  const socket = `socket:[${inode}]`;
  for (const pid of fs.readdirSync("/proc")) {
    if (!/^\d+$/.test(pid) || !holds(pid, socket)) continue;
    try {
      return fs.readlinkSync(`/proc/${pid}/exe`);
    } catch {
      return "";
    }
  }
  return "";
};

/**
 * Undefined where nothing listens. Where two do (on 127.0.0.1 and on ::1), one that cannot be told
 * from the other makes the program unknown.
 */
export const listenerOf = (port: number): Listener | undefined => {
  const rows = ["tcp", "tcp6"].flatMap((table) => rowsOf(table, port));
  const [first] = rows;
  if (first === undefined) return undefined;
  const programs = new Set(rows.map(({ inode }) => programOf(inode)));
  const sameUid = rows.every(({ uid }) => uid === first.uid);
  const [program = ""] = programs;
  return { uid: first.uid, program: programs.size === 1 && sameUid ? program : "" };
};
