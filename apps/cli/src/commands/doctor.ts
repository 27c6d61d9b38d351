/**
 * `ioi doctor`: what protects on this machine, measured now. The self-test runs the catalogue of
 * escapes against the real sandbox of every kind; nothing is said to hold that was not tried.
 */
import { closeSync, existsSync, statfsSync, statSync } from "node:fs";
import { type ExitCode, exitCodes, OperationError } from "@ioi/base";
import { bulkShape, regionBytes, SharedRegion } from "@ioi/host/dataplane";
import { type SandboxGap, type SandboxReport, selfTest } from "@ioi/host/sandbox";
import type { CommandContext, Handler } from "../context.ts";
import type { Output } from "../io.ts";
import { openKernel } from "../kernel/connection.ts";
import { folderPaths, runningKernel } from "../kernel/folder.ts";
import { identitiesPath } from "../kernel/service-plan.ts";
import { lastFailure } from "../kernel/last-failure.ts";
import { freeBytesWanted } from "../limits.ts";
import { asWord, failureOf, hint, withData } from "../report.ts";
import { readStatus, type StatusView } from "./status.ts";

interface Gap {
  readonly id: string;
  /** `high`: something must not be used before it is mended. */
  readonly severity: "high" | "low" | "note";
  readonly what: string;
  /** The one command that mends it. */
  readonly install: string | null;
}

interface DoctorView {
  readonly schema: "ioi.doctor/1";
  readonly ok: boolean;
  readonly processes: readonly Pick<
    StatusView["processes"][number],
    "name" | "pid" | "uid" | "sandbox" | "pssMiB"
  >[];
  readonly mechanisms: readonly {
    readonly name: string;
    readonly available: boolean;
    readonly version: string | null;
    readonly used: boolean;
  }[];
  readonly tried: number;
  readonly held: number;
  readonly escaped: number;
  readonly inapplicable: number;
  /** Of a start that meets a prepared launcher. */
  readonly spawnP95Ms: number | null;
  readonly anchor: { readonly kind: string; readonly rollbackProtection: boolean };
  readonly scrubber: string;
  readonly gaps: readonly Gap[];
}

const sandboxGap = ({ mechanism, consequence, command }: SandboxGap): Gap => ({
  id: mechanism.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase(),
  severity: mechanism === "namespaces" || mechanism.startsWith("sandbox of") ? "high" : "low",
  what: `${mechanism}: ${consequence}`,
  install: command === "" ? null : command,
});

const escapes = ({ cases }: SandboxReport): readonly Gap[] =>
  cases
    .filter(({ outcome }) => outcome === "escaped")
    .map(({ id, kind, what, detail }) => ({
      id: `escaped-${kind}-${id}`,
      severity: "high",
      what: `from the sandbox of ${kind}: ${what} (${detail})`,
      install: null,
    }));

export const folderGaps = (root: string): readonly Gap[] => {
  if (!existsSync(root)) return [];
  const gaps: Gap[] = [];
  const mode = statSync(root).mode & 0o777;
  // Of a service others may pass through, and read nothing.
  const open = existsSync(identitiesPath(root)) ? mode & 0o066 : mode & 0o077;
  if (open !== 0) {
    gaps.push({
      id: "data-folder-mode",
      severity: "high",
      what: `${root} can be entered by others (mode 0${mode.toString(8)})`,
      install: `chmod 700 ${asWord(root)}`,
    });
  }
  const { bavail, bsize } = statfsSync(root);
  if (bavail * bsize < freeBytesWanted) {
    gaps.push({
      id: "disk-space",
      severity: "low",
      what: `only ${Math.floor((bavail * bsize) / 1_048_576)} MiB are free for ${root}`,
      install: null,
    });
  }
  return gaps;
};

/** Nothing depends on it: what is large then goes as what is small does. */
const memoryGap = (): readonly Gap[] => {
  try {
    closeSync(SharedRegion.allocate("ioi-doctor", regionBytes(bulkShape)));
    return [];
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    const what = `no memory can be shared between processes (${error.message}): large messages go through sockets`;
    return [{ id: "shared-memory", severity: "low", what, install: null }];
  }
};

/** What the receipts say of the memory file and the file itself disagree. */
const rolledBackGap = (status: StatusView | undefined): readonly Gap[] => {
  if (status?.memory?.rolledBack !== true) return [];
  const what =
    "the memory file is older than the receipts say, or another one: it is not vouched for";
  return [{ id: "memory-rolled-back", severity: "high", what, install: null }];
};

const policyGap = (status: StatusView | undefined): readonly Gap[] => {
  const error = status?.policy.error ?? null;
  if (error === null && status?.policy.origin === "edited") {
    const what = "policy.toml was edited by hand, and not saved with a signature since";
    return [{ id: "policy-edited", severity: "note", what, install: "./ioi policy show" }];
  }
  if (error === null) return [];
  const what = `the policy does not load, so everything is denied: ${error}`;
  return [{ id: "policy", severity: "high", what, install: "./ioi policy lint" }];
};

/** Of this version, whatever the machine. */
const standing: readonly Gap[] = [
  {
    id: "anchor-software",
    severity: "note",
    what: "keys and receipts have no hardware anchor: who owns the machine can roll them back",
    install: null,
  },
];

/** What a service mends where none is installed. */
const userGap = (root: string): readonly Gap[] => {
  const what = "this protects from agents and their tools, not from other programs that run as you";
  return existsSync(identitiesPath(root))
    ? []
    : [{ id: "other-programs", severity: "note", what, install: "sudo ./ioi service install" }];
};

const modelGap = (status: StatusView | undefined): readonly Gap[] => {
  const remote = status?.models.remote ?? [];
  return remote.length === 0
    ? []
    : [
        {
          id: "unscrubbed",
          severity: "note",
          what: `what agents read goes as it is, nothing masked, to ${remote.join(", ")}`,
          install: null,
        },
      ];
};

const running = async (context: CommandContext): Promise<StatusView | undefined> => {
  if (runningKernel(folderPaths(context.dataFolder)) === undefined) return undefined;
  await using kernel = await openKernel(context, { start: false });
  return await readStatus(kernel);
};

/** Why no kernel runs; one that was never tried is no gap. */
export const kernelGaps = async (
  dataFolder: string,
  dataGiven: string | undefined,
): Promise<readonly Gap[]> => {
  const failure = lastFailure(folderPaths(dataFolder));
  if (failure === undefined) return [];
  const { report } = await failureOf(failure);
  const { code, message, next } = withData(report, dataGiven);
  const what = `${message} [${code}]. ${next}`;
  return [{ id: "kernel-start", severity: "high", what, install: null }];
};

/** The kernel as it runs, or why it does not. */
const kernelOf = async (
  context: CommandContext,
): Promise<{ readonly status: StatusView | undefined; readonly gaps: readonly Gap[] }> => {
  const gaps = await kernelGaps(context.dataFolder, context.dataGiven);
  try {
    const status = await running(context);
    return { status, gaps: status === undefined ? gaps : [] };
  } catch (error) {
    if (gaps.length === 0) throw error;
    return { status: undefined, gaps };
  }
};

/** Null where nothing could be started. */
const tenths = ({ tried }: SandboxReport, ms: number): number | null =>
  tried === 0 ? null : Math.round(ms * 10) / 10;

const viewOf = (
  report: SandboxReport,
  { status, gaps: kernelGaps }: Awaited<ReturnType<typeof kernelOf>>,
  { dataFolder, dataGiven }: CommandContext,
): DoctorView => {
  const notes: readonly Gap[] = report.caveats.map((what, index) => ({
    id: `caveat-${index + 1}`,
    severity: "note",
    what,
    install: null,
  }));
  const gaps = [
    ...escapes(report),
    ...report.gaps.map(sandboxGap),
    ...folderGaps(dataFolder),
    ...memoryGap(),
    ...rolledBackGap(status),
    ...kernelGaps,
    ...policyGap(status),
    ...modelGap(status),
    ...standing,
    ...userGap(dataFolder),
    ...notes,
  ];
  return {
    schema: "ioi.doctor/1",
    ok: report.tried > 0 && gaps.every(({ severity }) => severity !== "high"),
    processes: (status?.processes ?? []).map(({ name, pid, uid, sandbox, pssMiB }) => ({
      name,
      pid,
      uid,
      sandbox,
      pssMiB,
    })),
    mechanisms: report.mechanisms.map(({ name, available, version, used }) => ({
      name,
      available,
      version: version === "" ? null : version,
      used,
    })),
    tried: report.tried,
    held: report.held,
    escaped: report.escaped,
    inapplicable: report.inapplicable,
    spawnP95Ms: tenths(report, report.spawnP95Ms),
    anchor: { kind: "software", rollbackProtection: false },
    scrubber: "not available (a model that is not on this machine needs --allow-unscrubbed)",
    gaps: gaps.map((gap) => ({
      ...gap,
      install: gap.install === null ? null : hint(gap.install, dataGiven),
    })),
  };
};

const summary = (view: DoctorView): string => {
  const confined = view.tried > 0 && view.escaped === 0;
  const files = confined ? "sandboxed" : "NOT AVAILABLE";
  return `Files: ${files}. Shell: ${files}. Undo: 7 days. Receipts: signed, ${view.anchor.kind} anchor.`;
};

const printDoctor = (output: Output, view: DoctorView, coldP95Ms: number | null): void => {
  output.value(view);
  const word = view.ok ? output.paint("green", "well") : output.paint("red", "NOT WELL");
  output.line(`${word}  ${summary(view)}`);
  output.line(
    `escapes tried ${view.tried}: held ${view.held}, escaped ${view.escaped}, not possible here anyway ${view.inapplicable}`,
  );
  if (view.spawnP95Ms !== null) {
    output.line(`a command starts in ${view.spawnP95Ms} ms (p95), the first in ${coldP95Ms} ms`);
  }
  for (const { name, available, version, used } of view.mechanisms) {
    const state = used ? "used" : available ? "available, not used" : "NOT AVAILABLE";
    output.line(`  ${name.padEnd(14)} ${state}${version === null ? "" : `  ${version}`}`);
  }
  if (view.processes.length === 0) output.line("no kernel runs on this data folder");
  for (const { name, pid, uid, sandbox, pssMiB } of view.processes) {
    const inside = sandbox.length === 0 ? "no sandbox" : sandbox.join(", ");
    output.line(`  ${name.padEnd(14)} pid ${pid}  uid ${uid}  ${pssMiB} MiB  ${inside}`);
  }
  for (const { severity, what, install } of view.gaps) {
    output.line(`${severity}: ${what}`);
    if (install !== null) output.line(`  mend it: ${install}`);
  }
};

/** 6: something escaped; 7: this machine lacks what a sandbox needs. */
const exitOf = (view: DoctorView): ExitCode => {
  if (view.ok) return exitCodes.done;
  return view.escaped > 0 ? exitCodes.wrong : exitCodes.unavailable;
};

export const doctor: Handler<object> = async (context) => {
  const kernel = await kernelOf(context);
  const report = await selfTest({
    quick: true,
    onKind: (kind) => context.output.progress(`trying to escape from the sandbox of ${kind}`),
  });
  const view = viewOf(report, kernel, context);
  printDoctor(context.output, view, tenths(report, report.coldP95Ms));
  return exitOf(view);
};
