/** SIGKILL to a process that writes, again and again: what it had said is stored must be there. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { SeededRandom } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { createMemoryFile, openMemoryFile } from "@ioi/scs";
import { given, path, textOf } from "./world.ts";

export interface Kills {
  readonly kills: number;
  readonly acknowledged: number;
  readonly ackLost: number;
  readonly wrong: number;
  readonly first: string | undefined;
}

/** Starts the writer and kills it after so many acknowledgements. Returns how many memories it promised. */
const writeAndKill = async (folder: string, from: number, after: number): Promise<number> => {
  const program = join(import.meta.dirname, "writer.ts");
  const child = spawn(process.execPath, [program, folder, `${from}`], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let promised = from;
  let said = 0;
  for await (const line of createInterface(child.stdout)) {
    const [what, id, n] = line.split(" ");
    if (what === "added" && id === n) promised = Number(n) + 1;
    said += 1;
    if (said >= after) child.kill("SIGKILL");
  }
  return promised;
};

export const killLoop = async (
  rounds: number,
  random: SeededRandom,
  signal: AbortSignal,
): Promise<Kills> => {
  const folder = mkdtempSync(join(tmpdir(), "ioi-scs-kill-"));
  const place = { files: openFiles(folder), path, provider: nodeCrypto, now: () => Date.now() };
  let [kills, ackLost, wrong, there]: [number, number, number, number] = [0, 0, 0, 0];
  let first: string | undefined;
  try {
    await createMemoryFile(place, given, { type: "open" });
    while (kills < rounds && !signal.aborted) {
      const promised = await writeAndKill(folder, there, 1 + random.below(12));
      kills += 1;
      await using file = await openMemoryFile(place, "read");
      const { memories, damage } = file.info;
      if (memories < promised) ackLost += promised - memories;
      // At most the one that was being written is there although nobody was told.
      const bad = damage !== undefined || memories > promised + 1;
      const last = memories === 0 ? "" : (await file.read(memories - 1)).text;
      if (bad || last !== (memories === 0 ? "" : textOf(memories - 1))) wrong += 1;
      if (ackLost + wrong > 0) first ??= `round ${kills}: ${memories} of ${promised}; ${damage}`;
      there = memories;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { kills, acknowledged: there, ackLost, wrong, first };
};
