/**
 * Who listens on a port of this machine, and who took a connection to it: the owner by the kernel's own
 * table, the program by the descriptors of its processes.
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
const established = "01";
/** Of a connection that nobody has taken from its listener's queue. */
const nobodys = "0";

const portText = (port: number): string => port.toString(16).toUpperCase().padStart(4, "0");

const portIn = (end: string): string => end.slice(end.lastIndexOf(":") + 1);

/** 127.0.0.0/8 as each of the two tables has it, and ::1. */
const isLoopback = (end: string): boolean =>
  /^(?:0{16}FFFF0000)?[0-9A-F]{6}7F:|^0{24}01000000:/.test(end);

const rowsOf = (
  table: string,
  isIt: (local: string, remote: string, state: string) => boolean,
): readonly Row[] => {
  let text: string;
  try {
    text = fs.readFileSync(`/proc/net/${table}`, "latin1");
  } catch {
    return [];
  }
  return text
    .split("\n", listenerRowsMax)
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [, local = "", remote = "", state = "", , , , uid, , inode] = fields;
      return inode !== undefined && isIt(local, remote, state) ? [{ uid: Number(uid), inode }] : [];
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

/** Where there are several, one that cannot be told from the others makes the program unknown. */
const holderOf = (rows: readonly Row[]): Listener | undefined => {
  const [first] = rows;
  if (first === undefined) return undefined;
  const programs = new Set(rows.map(({ inode }) => programOf(inode)));
  const sameUid = rows.every(({ uid }) => uid === first.uid);
  const [program = ""] = programs;
  return { uid: first.uid, program: programs.size === 1 && sameUid ? program : "" };
};

/** Undefined where nothing listens; two may, on 127.0.0.1 and on ::1. */
export const listenerOf = (port: number): Listener | undefined => {
  const wanted = portText(port);
  return holderOf(
    ["tcp", "tcp6"].flatMap((table) =>
      rowsOf(table, (local, _, state) => state === listening && portIn(local) === wanted),
    ),
  );
};

/**
 * Who has the other end of a connection on loopback, from `callerPort` to `port`: whoever listens is
 * not always who takes it. `waiting`: nobody has; undefined: there is no such connection.
 */
export const acceptorOf = (port: number, callerPort: number): Listener | "waiting" | undefined => {
  const [own, caller] = [portText(port), portText(callerPort)];
  const rows = ["tcp", "tcp6"].flatMap((table) =>
    rowsOf(
      table,
      (local, remote, state) =>
        state === established &&
        isLoopback(remote) &&
        portIn(local) === own &&
        portIn(remote) === caller,
    ),
  );
  return rows.some(({ inode }) => inode === nobodys) ? "waiting" : holderOf(rows);
};
