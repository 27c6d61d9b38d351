/** Which process listens on a TCP port of this machine, by the tables of /proc. */
import fs from "node:fs";

const listenState = "0A";

const inodesOf = (port: number): ReadonlySet<string> => {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    if (!fs.existsSync(table)) continue;
    for (const line of fs.readFileSync(table, "utf8").split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === listenState && fields[1]?.endsWith(`:${hex}`) === true) {
        inodes.add(`socket:[${fields[9]}]`);
      }
    }
  }
  return inodes;
};

/** What an entry of /proc says; empty where its owner ended, closed it, or is not ours to see. */
const orNothing = <T>(look: () => T, nothing: T): T => {
  try {
    return look();
  } catch {
    return nothing;
  }
};

/** "process 123 (node)"; "another process" where its owner cannot be seen. */
export const portHolder = (port: number): string => {
  const inodes = inodesOf(port);
  if (inodes.size === 0) return "another process";
  for (const pid of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const folder = `/proc/${pid}/fd`;
    for (const fd of orNothing(() => fs.readdirSync(folder), [])) {
      if (!inodes.has(orNothing(() => fs.readlinkSync(`${folder}/${fd}`), ""))) continue;
      const name = orNothing(() => fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim(), "unknown");
      return `process ${pid} (${name})`;
    }
  }
  return "another process";
};
