/** Who descends from whom, by /proc: across namespaces, as the parent of them all sees it. */
import fs from "node:fs";

/** A process that is not confused with a later one of the same number. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly started: string;
  readonly parent: number;
}

const processOf = (pid: number): ProcessId | undefined => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return undefined;
    return { pid, parent: Number(fields[1]), started: fields[19] ?? "" };
  } catch {
    return undefined;
  }
};

export const descendantsOf = (root: number): readonly ProcessId[] => {
  const all = fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processOf(Number(name)) ?? []);
  const found: ProcessId[] = [];
  for (let above = new Set([root]); above.size > 0;) {
    const below = all.filter(({ parent }) => above.has(parent));
    found.push(...below);
    above = new Set(below.map(({ pid }) => pid));
  }
  return found;
};

export const isAlive = ({ pid, started }: ProcessId): boolean =>
  processOf(pid)?.started === started;

export const commandLineOf = ({ pid }: ProcessId): string => {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
};
