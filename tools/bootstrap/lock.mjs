/**
 * One lock file, so that two bootstraps at once do not install over each other.
 *
 * The holder writes its pid and its start time (so that a pid that was given to another program
 * later does not count as alive) into a file of its own and links it to the lock's name: creation
 * and content appear together. A lock whose holder is gone is taken over.
 */
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { BootstrapError } from "./errors.mjs";
import { bootstrapLockWaitMsMax } from "./limits.mjs";

/**
 * Start time of a process in clock ticks since boot, or undefined when it is gone or a zombie.
 * @param {number} pid
 */
export const startTime = (pid) => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
};

/** @param {string} path */
const readHolder = (path) => {
  try {
    const [pid, started] = fs.readFileSync(path, "latin1").split(" ");
    return { pid: Number(pid), started, text: `${pid} ${started}` };
  } catch {
    return undefined;
  }
};

/**
 * Removes a lock whose holder is dead. Rename first, look again, and put it back if somebody else
 * was faster: only the lock that was judged is thrown away.
 * @param {string} path
 * @param {string} judged
 */
const discard = (path, judged) => {
  const aside = `${path}.${process.pid}`;
  try {
    fs.renameSync(path, aside);
  } catch {
    return;
  }
  if (readHolder(aside)?.text !== judged) {
    try {
      fs.linkSync(aside, path);
    } catch {
      // A third one has the lock already; the one put aside will find that out by its own pid.
    }
  }
  fs.rmSync(aside, { force: true });
};

/**
 * Takes the lock, waiting for a living holder.
 * @param {string} path
 * @param {(text: string) => void} say
 * @param {AbortSignal} signal
 * @param {number} [waitMsMax]
 * @returns {Promise<() => void>} releases it
 */
export const takeLock = async (path, say, signal, waitMsMax = bootstrapLockWaitMsMax) => {
  const own = `${path}.own.${process.pid}`;
  const mine = `${process.pid} ${startTime(process.pid)}`;
  fs.writeFileSync(own, mine);
  const until = performance.now() + waitMsMax;
  let told = false;
  try {
    for (;;) {
      try {
        fs.linkSync(own, path);
        return () => {
          if (readHolder(path)?.text === mine) fs.rmSync(path, { force: true });
        };
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
      }
      const holder = readHolder(path);
      if (holder === undefined) continue;
      if (startTime(holder.pid) !== holder.started) {
        discard(path, holder.text);
        continue;
      }
      if (!told) say(`another bootstrap (process ${holder.pid}) is at work; waiting for it`);
      told = true;
      if (performance.now() > until) {
        throw new BootstrapError(
          "E_BOOTSTRAP_BUSY",
          `process ${holder.pid} holds ${path} and did not finish within ${waitMsMax / 1000} s`,
        );
      }
      await sleep(100, undefined, { signal });
    }
  } finally {
    fs.rmSync(own, { force: true });
  }
};
