/** The page's first look: what stands, what waits, what protects; and small services of the home. */
import { toHex } from "@ioi/base";
import type { Console } from "@ioi/wire/console";
import type { Links } from "../auth/links.ts";
import type { Handlers } from "../http/connect.ts";
import { originOf } from "../http/guard.ts";
import type { Kernel } from "../kernel.ts";
import { callMs, doctorCallMs, planMs, processesKeptMs } from "../limits.ts";
import { deviceState } from "./cards.ts";
import { whereOffered } from "./optional.ts";
import type { Plans } from "./plans.ts";
import { waitingChanges } from "./policy.ts";

type Offered = Pick<
  Handlers<typeof Console>,
  | "overview"
  | "approveLink"
  | "doctor"
  | "doctorStatus"
  | "chainStatus"
  | "tourFolder"
  | "listFolders"
>;

export interface OverviewOptions {
  readonly kernel: Kernel;
  readonly version: string;
  readonly port: number;
  readonly links: Links;
  readonly plans: Plans;
  readonly nowMs: () => number;
  /** The key that this browser's approval page holds; empty: none that is known. */
  readonly deviceOf: (browser: string) => Uint8Array;
  /** What a command at the terminal needs to find this data folder. */
  readonly dataOption: string;
}

/** What can be said without measuring: a process that runs, runs in its sandbox or not at all. */
const protectionLine = (names: readonly string[]): string => {
  const confined = names.includes("guardian") && names.includes("workload");
  const word = confined ? "sandboxed" : "not available";
  const web = names.includes("egress") ? "through one gate" : "not available";
  return `Files: ${word}. Shell: ${word}. Web: ${web}. Undo: 7 days.`;
};

/**
 * Names of the processes, looked at seldom: looking measures the memory of each, and a page asks for
 * its overview at every step of a session.
 */
const processNames = (kernel: Kernel): ((signal: AbortSignal) => Promise<readonly string[]>) => {
  let lookedMs = Number.NEGATIVE_INFINITY;
  let names: readonly string[] = [];
  return async (signal) => {
    if (performance.now() - lookedMs < processesKeptMs) return names;
    const launcher = await kernel.launcher();
    const { processes } = await launcher.kernelStatus({}, { signal, deadlineMs: callMs });
    names = processes.map(({ name }) => name);
    lookedMs = performance.now();
    return names;
  };
};

const call = (signal: AbortSignal) => ({ signal, deadlineMs: callMs });

type LauncherCalls = Pick<
  Offered,
  "doctor" | "doctorStatus" | "chainStatus" | "tourFolder" | "listFolders"
>;

/** What only a process outside of a sandbox can look at. */
const launcherCalls = (kernel: Kernel): LauncherCalls => ({
  doctor: async (_request, { signal }) => {
    const launcher = await kernel.launcher();
    const { json } = await launcher.doctor({}, { signal, deadlineMs: doctorCallMs });
    return { json };
  },
  doctorStatus: async (_request, { signal }) => {
    const status = await (await kernel.launcher()).doctorStatus({}, call(signal));
    const { running, step, done, total, startedMs, json, measuredMs, tookMs } = status;
    return { running, step, done, total, startedMs, json, measuredMs, tookMs };
  },
  chainStatus: async (_request, { signal }) => {
    const launcher = await kernel.launcher();
    const status = await launcher.chainStatus({}, call(signal));
    return {
      available: true,
      height: status.height ?? 0n,
      blockHash: status.height === undefined ? "" : toHex(status.head),
      blockMs: status.timeMs < 0n ? 0n : status.timeMs,
      receiptsSize: status.receiptsSize,
      receiptsRoot: toHex(status.receiptsRoot),
      grade: status.grade,
      anchor: status.anchor,
    };
  },
  tourFolder: async (_request, { signal }) => {
    const { path } = await (await kernel.launcher()).tourFolder({}, call(signal));
    return { path };
  },
  listFolders: async ({ path }, { signal }) => {
    const launcher = await kernel.launcher();
    const listed = await launcher.listFolders({ path }, call(signal));
    const { names, files, truncated } = listed;
    return { path: listed.path, names, files, truncated };
  },
});

export const overviewCalls = (options: OverviewOptions): Offered => {
  const { kernel, links, plans, nowMs, port, deviceOf, version, dataOption } = options;
  const namesOf = processNames(kernel);
  const homeOf = async (signal: AbortSignal) =>
    await (await kernel.launcher()).listFolders({ path: "" }, call(signal));
  return {
    overview: async (_request, { browser, signal }) => {
      const person = await kernel.person();
      const [guardian, processes, devices, models, home, changes] = await Promise.all([
        person.guardianStatus({}, call(signal)),
        namesOf(signal),
        whereOffered(
          async () => (await (await kernel.devices()).listDevices({}, call(signal))).devices,
          [],
        ),
        whereOffered(
          async () => await (await kernel.models()).listModels({}, call(signal)),
          undefined,
        ),
        homeOf(signal),
        waitingChanges(kernel, { signal }),
      ]);
      const planned = plans.waiting(browser, nowMs() - planMs).length;
      const first = models?.models.find(({ isDefault }) => isDefault) ?? models?.models[0];
      return {
        version,
        anchor: guardian.anchor,
        policyHash: Buffer.from(guardian.policyHash).toString("hex"),
        policyError: guardian.policyError,
        pendingApprovals: guardian.pendingApprovals + planned + changes.length,
        openSessions: guardian.openSessions,
        logSize: guardian.logSize,
        protection: protectionLine(processes),
        defaultModel: first?.id ?? "",
        unscrubbed: models?.models.some(({ loopback }) => !loopback) ?? false,
        approveOrigin: originOf("frame", port),
        device: deviceState(devices, deviceOf(browser)),
        home: home.path,
        dataOption,
      };
    },
    approveLink: async (_request, { browser }) => {
      const { token, expiresMs } = links.make("frame", browser);
      return {
        url: `${originOf("frame", port)}/open#${token}`,
        expiresMs: BigInt(Math.floor(expiresMs)),
      };
    },
    ...launcherCalls(kernel),
  };
};
