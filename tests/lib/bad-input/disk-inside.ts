/**
 * Disks that fill under a kernel that runs: one small file system for each of the places that something is
 * kept in, filled, tried, and freed again. Run inside a mount namespace of its own, as root; prints what
 * came of each as JSON.
 *
 * Usage: disk-inside.ts DATA [--quick WITHOUT...]; a data folder that was used once, and is its to
 * spoil. With `--quick` the command line runs in this process, and the cases named there do not.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { OperationError } from "@ioi/base";
import { ioiHere } from "../cli-here.ts";
import { type CliResult, ioi as ioiAlone, Scratch, TestKernel } from "../kernel.ts";
import { judged, show, type Verdict } from "./case.ts";

const [data = "", quick, ...without] = process.argv.slice(2);
const ioi = quick === undefined ? ioiAlone : ioiHere;
const diskBytes = 24 * 1_048_576;

const system = (...command: readonly string[]): void => {
  const [program = "", ...args] = command;
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new OperationError("E_TEST", `${command.join(" ")}: ${stderr}`);
};

/** A small file system of its own in the place of a folder, with what the folder held. */
const ownDisk = (folder: string, aside: string): void => {
  const mode = (fs.statSync(folder).mode & 0o777).toString(8);
  system("cp", "-a", folder, aside);
  system("mount", "-t", "tmpfs", "-o", `size=${diskBytes},mode=${mode}`, "tmpfs", folder);
  system("cp", "-a", `${aside}/.`, folder);
};

/** Nothing more than `leave` bytes fits until it is disposed. */
const filled = (folder: string, leave = 0): Disposable => {
  const file = path.join(folder, "fill");
  const fd = fs.openSync(file, "w", 0o600);
  const zeros = Buffer.alloc(65_536);
  let bytes = 0;
  for (let step = zeros.length; step > 0;) {
    try {
      bytes += fs.writeSync(fd, zeros, 0, step);
    } catch {
      // Full at this grain; to the last byte.
      step = step === 4096 ? 0 : 4096;
    }
  }
  fs.ftruncateSync(fd, Math.max(0, bytes - leave));
  fs.closeSync(fd);
  return { [Symbol.dispose]: () => fs.rmSync(file, { force: true }) };
};

interface Ground {
  readonly data: string;
  readonly workspace: string;
  run(words: string): Promise<CliResult>;
}

const full = /E_[A-Z]+_FULL/;
const textOf = ({ workspace }: Ground, name: string): string | undefined => {
  const file = path.join(workspace, name);
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined;
};

const namesIn = ({ workspace }: Ground): string =>
  fs
    .readdirSync(workspace)
    .filter((name) => name !== "fill")
    .toSorted()
    .join(" ");

/** Files that are open have room to the end of their last page: so often it may still be written. */
const triesMax = 12;

/** A write that cannot be kept is not made, says so, and is made once there is room. */
const writeWhile = async (
  at: Ground,
  disk: string,
  words = "/write a.txt after",
): Promise<Verdict> => {
  const file = path.join(at.workspace, "a.txt");
  fs.writeFileSync(file, "before");
  const before = namesIn(at);
  let refused: CliResult;
  let kept: string | undefined;
  let left: string;
  {
    using _full = filled(disk);
    refused = await at.run(words);
    for (let tries = 1; refused.code === 0 && tries < triesMax; tries++) {
      fs.writeFileSync(file, "before");
      refused = await at.run(words);
    }
    kept = textOf(at, "a.txt");
    left = namesIn(at);
  }
  const after = await at.run(words);
  const ok =
    refused.code === 5 &&
    full.test(refused.stdout + refused.stderr) &&
    kept === "before" &&
    left === before &&
    after.code === 0 &&
    textOf(at, "a.txt") !== "before";
  return judged(
    "exit 5 and a code that says full, nothing changed; then 0",
    ok,
    `${show(refused)}; ${kept}; ${left}; then ${show(after)}`,
  );
};

const undo = async (at: Ground): Promise<Verdict> => {
  const written = await writeWhile(at, path.join(at.data, "vault"));
  const undone = await ioi(["undo", "--data", at.data]);
  const ok = written.ok && undone.code === 0 && textOf(at, "a.txt") === "before";
  return judged(`${written.expected}, and undone`, ok, `${written.actual}; ${show(undone)}`);
};

interface Told {
  readonly status: string;
  readonly handle: string | null;
  readonly message: string | null;
}

const toldBy = ({ json }: CliResult): Told | undefined =>
  (json as { readonly actions?: readonly { readonly outcome: Told }[] } | undefined)?.actions?.[0]
    ?.outcome;

/** And the log is whole. */
const receipts = async (at: Ground): Promise<Verdict> => {
  const written = await writeWhile(at, path.join(at.data, "guardian"));
  const verified = await ioi(["receipts", "verify", "--data", at.data]);
  const ok = written.ok && verified.code === 0;
  return judged(`${written.expected}, and verified`, ok, `${written.actual}; ${show(verified)}`);
};

/** The command has happened; what it printed finds no room, and its outcome says so. */
const outputs = async (at: Ground): Promise<Verdict> => {
  const words = "/run sh -c 'echo done > done.txt; head -c 900000 /dev/zero'";
  let told: Told | undefined;
  {
    using _full = filled(path.join(at.data, "workload"), 150_000);
    told = toldBy(await at.run(words));
  }
  const after = toldBy(await at.run(words));
  const ok =
    told?.status === "confirmed" &&
    told.handle === null &&
    /^\d+ bytes of its output were not kept/.test(told.message ?? "") &&
    textOf(at, "done.txt") === "done\n" &&
    after?.status === "confirmed" &&
    after.handle !== null &&
    after.message === null;
  return judged(
    "confirmed, its output not kept, which is said; then kept",
    ok,
    `${JSON.stringify(told)}; then ${JSON.stringify(after)}`,
  );
};

/**
 * What it writes is held back on the kernel's disk: it finds no room there, the folder stays as it was,
 * and what it took is given back.
 */
const program = async (at: Ground): Promise<Verdict> => {
  const before = namesIn(at);
  const ran = await at.run("/run sh -c 'cat /dev/zero > big'");
  const left = namesIn(at);
  const after = await at.run("/run sh -c 'head -c 4000000 /dev/zero > fits'");
  const fits = fs.statSync(path.join(at.workspace, "fits"), { throwIfNoEntry: false })?.size;
  const ok =
    ran.code === 5 &&
    full.test(ran.stdout + ran.stderr) &&
    left === before &&
    after.code === 0 &&
    fits === 4_000_000;
  return judged(
    "exit 5 and a code that says full, nothing changed; the next one has room",
    ok,
    `${show(ran)}; ${left}; then ${show(after)}, ${fits} bytes`,
  );
};

const cases: Readonly<Record<string, (at: Ground) => Promise<Verdict>>> = {
  "full-disk-of-the-journal": (at) => writeWhile(at, path.join(at.data, "workload")),
  "full-disk-of-receipts": receipts,
  "full-disk-of-copies-for-undo": undo,
  "full-disk-of-the-folder": (at) =>
    writeWhile(at, at.workspace, `/write a.txt ${"x".repeat(20_000)}`),
  "full-disk-of-outputs": outputs,
  "program-that-fills-the-disk": program,
};

const main = async (): Promise<void> => {
  using scratch = new Scratch();
  const workspace = scratch.folder("work");
  const disks = [
    ...["guardian", "workload", "vault"].map((name) => path.join(data, name)),
    workspace,
  ];
  for (const [at, disk] of disks.entries()) ownDisk(disk, scratch.at(`aside-${at}`));
  const said: Record<string, Verdict> = {};
  try {
    await using _kernel = await TestKernel.start({ data });
    const run = (words: string): Promise<CliResult> =>
      ioi(["run", "--data", data, "--workspace", workspace, "--json", words]);
    const ground = { data, workspace, run };
    for (const [id, judge] of Object.entries(cases)) {
      if (!without.includes(id)) said[id] = await judge(ground);
    }
  } finally {
    for (const disk of disks) system("umount", "-l", disk);
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
};

await main();
