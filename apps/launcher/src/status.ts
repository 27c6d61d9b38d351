/** What the kernel's processes are and cost, for `ioi status`. */
import fs from "node:fs";
import { descendantsOf, pssKiB } from "@ioi/host/proc";

export interface ProcessView {
  readonly name: string;
  readonly pid: number;
  readonly uid: number;
  readonly sandbox: readonly string[];
  readonly pssKib: bigint;
  readonly state: string;
}

/** The launcher alone: those below it are viewed for themselves. */
export const viewSelf = (): ProcessView => ({
  name: "launcher",
  pid: process.pid,
  uid: process.getuid?.() ?? 0,
  sandbox: [],
  pssKib: BigInt(pssKiB(process.pid) ?? 0),
  state: "running",
});

const runsOurCode = (pid: number): boolean => {
  try {
    return fs.readlinkSync(`/proc/${pid}/exe`) === process.execPath;
  } catch {
    return false;
  }
};

/**
 * One process of the kernel with all that stands around it (the namespace tool that holds its
 * sandbox) and below it (a driver's command): the pid of ours, the memory of all.
 */
export const viewProcess = (name: string, pid: number, sandbox: readonly string[]): ProcessView => {
  const all = descendantsOf(pid);
  const inner = all.find(runsOurCode) ?? pid;
  let pss = 0;
  for (const each of all) pss += pssKiB(each) ?? 0;
  const uid = fs.statSync(`/proc/${inner}`, { throwIfNoEntry: false })?.uid ?? 0;
  return { name, pid: inner, uid, sandbox, pssKib: BigInt(pss), state: "running" };
};
