/** Proportional set size of processes: each shared page counted by its share. */
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

/** Every descendant of a process, itself first, by the parent links of /proc. */
export const descendantsOf = (root: number): readonly number[] => {
  const children = new Map<number, number[]>();
  for (const name of fs.readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = fs.readFileSync(`/proc/${name}/stat`, "utf8");
      // The command may hold spaces and parentheses: what follows the last one is fixed.
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // Ended while we looked.
    }
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
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return undefined;
  }
};
