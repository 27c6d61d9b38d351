/** Bad input: the chain's files, and checkpoints that do not extend the last one. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Scratch, TestKernel } from "../kernel.ts";
import { PatientClient } from "../sessions.ts";
import { answered, type BadInputCase, judged, type Means, show, type Verdict } from "./case.ts";
import { anchor, checkpoint, idleBlockMs, statusOf, until, usedFolder, waitMs } from "./used.ts";

const start = ({ ioi }: Means, data: string) =>
  ioi(["start", "--data", data, "--port", "0", "--exit-when-ready"]);

/** Sessions of nothing but their opening, a checkpoint over them, and the block that has it. */
const anchored = async (data: string, sessions: number, signal: AbortSignal): Promise<number> => {
  await using kernel = await TestKernel.start({ data, idleBlockMs });
  const patient = new PatientClient(data, signal);
  for (let i = 0; i < sessions; i++)
    await patient.utter(`/list . ${i}`, path.dirname(data), waitMs);
  return await anchor(kernel, signal);
};

const blocksFile = (data: string): string => {
  const folder = path.join(data, "orchestrator/chain");
  return path.join(folder, fs.readdirSync(folder).toSorted().at(-1) ?? "none");
};

const logged = (data: string): string => {
  const folder = path.join(data, "logs");
  return fs
    .readdirSync(folder)
    .map((name) => fs.readFileSync(path.join(folder, name), "utf8"))
    .join("\n");
};

const both = (...verdicts: readonly Verdict[]): Verdict => ({
  ok: verdicts.every(({ ok }) => ok),
  expected: verdicts.map(({ expected }) => expected).join("; "),
  actual: verdicts
    .map(({ actual }) => actual)
    .join("; ")
    .slice(0, 800),
});

/** The Guardian's log set back to an earlier size, and grown on differently. */
const forkedLog: BadInputCase = {
  id: "checkpoint-that-does-not-extend-the-last",
  run: async ({ signal }) => {
    using scratch = new Scratch();
    const data = await usedFolder(scratch, signal);
    const names = ["receipts.log", "checkpoints.log"].map((name) => `${data}/guardian/${name}`);
    const old = names.map((name) => fs.readFileSync(name));
    const before = await anchored(data, 3, signal);
    for (const [index, name] of names.entries()) fs.writeFileSync(name, old[index] as Buffer);
    await using kernel = await TestKernel.start({ data, idleBlockMs });
    const patient = new PatientClient(data, signal);
    const smaller = await refusedAfter(data, signal);
    // Beyond the old size again, but other receipts.
    for (let i = 0; i < 6; i++) await patient.utter(`/list . x${i}`, scratch.path, waitMs);
    const larger = await refusedAfter(data, signal);
    const { receiptsSize } = await statusOf(kernel);
    return judged(
      `refused when smaller and when larger; ${before} receipts stay`,
      smaller && larger && Number(receiptsSize) === before,
      `smaller refused ${smaller}, larger refused ${larger}, ${receiptsSize} receipts in the chain`,
    );
  },
};

/** A checkpoint is asked for; was it refused? */
const refusedAfter = async (data: string, signal: AbortSignal): Promise<boolean> => {
  const count = (): number => logged(data).split('"event":"chain.refused"').length;
  const before = count();
  await checkpoint(data);
  await until(async () => count() > before, signal);
  return count() > before;
};

const tornTail: BadInputCase = {
  id: "chain-with-a-torn-tail",
  run: async ({ signal, ioi }) => {
    using scratch = new Scratch();
    const data = await usedFolder(scratch, signal);
    const file = blocksFile(data);
    // Into the last signature: what an append that was cut off leaves.
    fs.truncateSync(file, fs.statSync(file).size - 100);
    await using kernel = await TestKernel.start({ data, idleBlockMs });
    const cut = /"event":"chain\.opened".*"cutBytes":([1-9]\d*)/.exec(logged(data));
    const status = await ioi(["chain", "status", "--data", kernel.data]);
    return judged(
      "it starts, says how much was cut, and has its blocks",
      cut !== null && status.code === 0,
      `cut ${cut?.[1] ?? "nothing"}; ${show(status)}`,
    );
  },
};

const corruptMiddle: BadInputCase = {
  id: "chain-with-a-corrupt-middle",
  run: async (means) => {
    const { signal, quick, ioi } = means;
    using scratch = new Scratch();
    const data = await usedFolder(scratch, signal);
    const file = blocksFile(data);
    const bytes = fs.readFileSync(file);
    bytes[500] = (bytes[500] as number) ^ 0x41;
    fs.writeFileSync(file, bytes);
    const refused = answered(
      await start(means, data),
      5,
      "E_WAL_CORRUPT",
      /record \d/,
      "chain reset",
    );
    const same = fs.readFileSync(file).equals(bytes);
    const written = judged("nothing was written", same, `same bytes: ${same}`);
    const reset = answered(await ioi(["chain", "reset", "--data", data]), 0, ".lost-1");
    // That a reset folder goes on is shown by `chain-that-lost-its-blocks` in the short form too.
    const after = quick ? [] : [answered(await start(means, data), 0)];
    return both(refused, written, reset, ...after);
  },
};

const lostBlocks: BadInputCase = {
  id: "chain-that-lost-its-blocks",
  run: async (means) => {
    const { signal, ioi } = means;
    using scratch = new Scratch();
    const data = await usedFolder(scratch, signal);
    fs.rmSync(path.join(data, "orchestrator/chain"), { recursive: true });
    const refused = answered(await start(means, data), 5, "E_CHAIN_BEHIND", "chain reset");
    const reset = answered(await ioi(["chain", "reset", "--data", data]), 0);
    const size = await anchored(data, 1, signal);
    return both(refused, reset, judged("blocks go on", size > 2, `${size} receipts anchored`));
  },
};

const forgottenHeaders: BadInputCase = {
  id: "guardian-that-forgot-its-headers",
  run: async (means) => {
    using scratch = new Scratch();
    const data = await usedFolder(scratch, means.signal);
    fs.rmSync(path.join(data, "guardian/session.log"));
    return answered(await start(means, data), 5, "E_CHAIN_AHEAD", /backup/);
  },
};

const runOnce = ({ ioi }: Means, data: string) =>
  ioi(["run", "/list .", "--workspace", path.dirname(data), "--data", data]);

/** Two short commands, then guardian/ as it was between them: nothing else ever ran. */
const shortLives: BadInputCase = {
  id: "guardian-set-back-between-two-short-runs",
  // A Guardian behind its chain is `guardian-that-forgot-its-headers` in the short form.
  slow: true,
  run: async (means) => {
    const { ioi } = means;
    using scratch = new Scratch();
    const data = scratch.at("data");
    const [guardian, kept] = [path.join(data, "guardian"), scratch.at("kept")];
    const first = answered(await runOnce(means, data), 0);
    execFileSync("cp", ["-a", guardian, kept]);
    const second = answered(await runOnce(means, data), 0);
    fs.rmSync(guardian, { recursive: true });
    fs.renameSync(kept, guardian);
    const refused = answered(await runOnce(means, data), 5, "E_CHAIN_AHEAD", /backup/);
    const told = answered(
      await ioi(["status", "--data", data]),
      5,
      "E_CHAIN_AHEAD",
      /did not start at .*chain reset --data/,
    );
    const reset = answered(await ioi(["chain", "reset", "--data", data]), 0);
    const after = answered(await ioi(["status", "--data", data]), 5, "E_CLI_NO_KERNEL");
    const next = answered(await start(means, data), 0);
    return both(first, second, refused, told, reset, after, next);
  },
};

export const chainCases: readonly BadInputCase[] = [
  forkedLog,
  tornTail,
  corruptMiddle,
  lostBlocks,
  forgottenHeaders,
  shortLives,
];
