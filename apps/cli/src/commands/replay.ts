/**
 * `ioi replay`: a journal through the production machine, every effect compared by its hash; or a
 * simulated network.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { replayJournal } from "@ioi/agent";
import { exitCodes } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { scanWal } from "@ioi/storage";
import type { CommandContext, Handler } from "../context.ts";
import { folderPaths, readBounded } from "../kernel/folder.ts";
import { receiptFileBytesMax } from "../limits.ts";
import { failWith, usage } from "../report.ts";
import { isoTime } from "../times.ts";
import { type NetworkReplay, replayNetwork } from "./replay-network.ts";

/** A path as given, else the journal of a session by the beginning of its id. */
export const journalFile = (context: CommandContext, given: string): string => {
  const path = resolve(context.io.cwd, given);
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return path;
  const { journals } = folderPaths(context.dataFolder);
  const names = existsSync(journals) ? readdirSync(journals) : [];
  const found = names.filter((name) => name.endsWith(".log") && name.startsWith(given));
  if (found.length > 1) throw usage(`"${given}" begins ${found.length} journals; give more of it`);
  const [name] = found;
  if (name !== undefined && given !== "") return join(journals, name);
  throw failWith({ code: "E_CLI_FILE", message: `there is no journal ${given}` });
};

export const replay: Handler<NetworkReplay> = async (context, { args, options }) => {
  if (args[0] === "sim") return replayNetwork(context, options);
  const given = (["seed", "nodes", "powers", "broken", "until", "node"] as const).find(
    (each) => options[each] !== undefined,
  );
  if (given !== undefined) throw usage(`--${given} belongs to replay sim`);
  const file = journalFile(context, args[0] ?? "");
  const records: Uint8Array[] = [];
  const scan = scanWal(readBounded(file, receiptFileBytesMax), ({ payload }) => {
    records.push(payload.slice());
  });
  const { output } = context;
  if (scan.firstBad !== undefined && scan.firstBad.kind !== "tail") {
    const { index, reason } = scan.firstBad;
    throw failWith({ code: "E_JOURNAL_CORRUPT", message: `${file}: record ${index}: ${reason}` });
  }
  const steps: unknown[] = [];
  const replayed = replayJournal(
    records,
    (bytes) => nodeCrypto.sha256(bytes),
    ({ index, atMs, input, effects }) => {
      steps.push({
        index,
        at: isoTime(atMs),
        input: input.type,
        effects: effects.map(({ type }) => type),
      });
      const caused = effects.map(({ type }) => type).join(", ");
      output.line(`${index}  ${isoTime(atMs)}  ${input.type} -> ${caused || "nothing"}`);
    },
  );
  if (!replayed.ok) {
    throw failWith({
      code: replayed.error.code,
      message: `${basename(file)}: ${replayed.error.message}`,
    });
  }
  const { session } = replayed.value;
  const cut = scan.firstBad === undefined ? 0 : 1;
  output.value({ schema: "ioi.replay/1", ok: true, file, session, records: records.length, steps });
  output.line(`session ${session}: ${records.length} records, every effect as recorded`);
  if (cut > 0) output.line("the last append was interrupted and does not count");
  return exitCodes.done;
};
