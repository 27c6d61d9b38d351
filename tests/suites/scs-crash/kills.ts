/**
 * SIGKILL to a process that writes, again and again: what it had said is stored must be there. The next
 * writer is started while the last one writes, because starting is most of the time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { SeededRandom } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { createMemoryFile, openMemoryFile } from "@ioi/scs";
import { given, path, textOf } from "./memories.ts";

export interface Kills {
  readonly kills: number;
  readonly acknowledged: number;
  readonly ackLost: number;
  readonly wrong: number;
  readonly first: string | undefined;
}

/** Kills that one file lives through: reading it whole after each takes longer the longer it is. */
const killsPerFile = 50;

const program: string = join(import.meta.dirname, "writer.ts");

class Writer {
  readonly #child: ChildProcess;

  /** `cache`: where compiled code is kept from one start to the next. */
  constructor(cache: string) {
    this.#child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    });
    // A writer that was killed takes no more lines.
    this.#child.stdin?.on("error", () => undefined);
  }

  /** Kills it after so many acknowledgements. Returns how many memories were promised by then. */
  async writeAndKill(folder: string, from: number, after: number): Promise<number> {
    const { stdin, stdout } = this.#child;
    if (stdin === null || stdout === null) throw new Error("the writer has no pipes");
    stdin.write(`${folder} ${from}\n`);
    let promised = from;
    let said = 0;
    for await (const line of createInterface(stdout)) {
      const [what, id, n] = line.split(" ");
      if (what === "added" && id === n) promised = Number(n) + 1;
      said += 1;
      if (said >= after) this.#child.kill("SIGKILL");
    }
    return promised;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}

interface Round {
  readonly there: number;
  readonly lost: number;
  readonly wrong: string | undefined;
}

const lookAfter = async (
  place: Parameters<typeof openMemoryFile>[0],
  promised: number,
): Promise<Round> => {
  await using file = await openMemoryFile(place, "read");
  const { memories, damage } = file.info;
  const last = memories === 0 ? "" : (await file.read(memories - 1)).text;
  // At most the one that was being written is there although nobody was told.
  const bad =
    damage !== undefined ||
    memories > promised + 1 ||
    last !== (memories === 0 ? "" : textOf(memories - 1));
  return {
    there: memories,
    lost: Math.max(0, promised - memories),
    wrong: bad ? `${memories} of ${promised}; ${damage}` : undefined,
  };
};

export const killLoop = async (
  rounds: number,
  random: SeededRandom,
  signal: AbortSignal,
): Promise<Kills> => {
  const folder = mkdtempSync(join(tmpdir(), "ioi-scs-kill-"));
  const cache = join(folder, "cache");
  let [kills, acknowledged, ackLost, wrong]: [number, number, number, number] = [0, 0, 0, 0];
  let first: string | undefined;
  let next = new Writer(cache);
  try {
    for (let there = 0, at = ""; kills < rounds && !signal.aborted;) {
      const isNew = kills % killsPerFile === 0;
      if (isNew) {
        at = join(folder, `${kills}`);
        mkdirSync(at);
        there = 0;
      }
      const place = { files: openFiles(at), path, provider: nodeCrypto, now: () => Date.now() };
      if (isNew) await createMemoryFile(place, given, { type: "open" });
      const writer = next;
      next = new Writer(cache);
      const promised = await writer.writeAndKill(at, there, 1 + random.below(12));
      kills += 1;
      const round = await lookAfter(place, promised);
      acknowledged += promised - there;
      ackLost += round.lost;
      if (round.wrong !== undefined) wrong += 1;
      if (round.lost > 0 || round.wrong !== undefined) {
        first ??= `round ${kills}: ${round.wrong ?? `${round.lost} lost`}`;
      }
      there = round.there;
    }
  } finally {
    await next.end();
    rmSync(folder, { recursive: true });
  }
  return { kills, acknowledged, ackLost, wrong, first };
};
