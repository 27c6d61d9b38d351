/** Processes as the system shows them: their memory, their time, their descent, their identity. */
import fs from "node:fs";

/** KiB; undefined where the process is gone or cannot be read. */
export const pssKiB = (pid: number): number | undefined => {
  try {
    const match = /^Pss:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
};

/** The fields of /proc/PID/stat from the third on (its state); undefined where the process is gone. */
const statOf = (pid: number): readonly string[] | undefined => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command may hold spaces and parentheses: what follows the last one is fixed.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
};

/**
 * What tells a process from a later one of the same number, also after the machine began anew;
 * undefined where it has ended.
 */
export const startOf = (pid: number): string | undefined => {
  const fields = statOf(pid);
  if (fields === undefined || fields[0] === "Z") return undefined;
  const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return `${boot} ${fields[19]}`;
};

/** Every descendant of a process, itself first, by the parent links of /proc. */
export const descendantsOf = (root: number): readonly number[] => {
  const children = new Map<number, number[]>();
  for (const name of fs.readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(Number(name));
    // Undefined: it ended while we looked.
    if (fields === undefined) continue;
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const all: number[] = [];
  const next = [root];
  for (let pid = next.shift(); pid !== undefined; pid = next.shift()) {
    all.push(pid);
    next.push(...(children.get(pid) ?? []));
  }
  return all;
};

/** Resident bytes are not what a process costs; CPU time is in clock ticks of user plus system. */
export const cpuTicks = (pid: number): number | undefined => {
  const fields = statOf(pid);
  return fields === undefined ? undefined : Number(fields[11]) + Number(fields[12]);
};
