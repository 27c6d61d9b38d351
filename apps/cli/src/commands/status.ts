/** `ioi status`: the running kernel as it is; it starts none. */
import { setTimeout as sleep } from "node:timers/promises";
import { exitCodes, toHex } from "@ioi/base";
import type { pb } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { isUnavailable, type Kernel, openKernel } from "../kernel/connection.ts";
import { requireFolder } from "../kernel/folder.ts";
import { whyNoKernel } from "../kernel/last-failure.ts";
import { callDeadlineMs, watchIntervalMs } from "../limits.ts";
import { isoTime } from "../times.ts";
import { originText } from "../view/policy-origin.ts";
import { changeOf, type ShownChange } from "../view/card.ts";

const memoryOf = (memory: pb.MemoryFileState | undefined): StatusView["memory"] =>
  memory === undefined
    ? null
    : {
        store: toHex(memory.store),
        entries: Number(memory.size),
        rolledBack: memory.rolledBack,
      };

export interface StatusView {
  readonly schema: "ioi.status/1";
  readonly rpc: string;
  readonly http: string;
  /** Where the page is; null where none is served. */
  readonly page: string | null;
  readonly startedAt: string;
  readonly restarts: number;
  readonly sandbox: string;
  readonly processes: readonly {
    readonly name: string;
    readonly pid: number;
    readonly uid: number;
    readonly state: string;
    readonly pssMiB: number;
    readonly sandbox: readonly string[];
  }[];
  readonly pssMiB: number;
  readonly policy: {
    readonly hash: string;
    readonly error: string | null;
    /** first | saved | edited: by hand since it was last saved with a signature. */
    readonly origin: string;
    /** Changes that wait for a device. */
    readonly changes: readonly { readonly id: string; readonly expiresAt: string }[];
  };
  readonly approvals: readonly {
    readonly id: string;
    readonly session: string;
    readonly target: string;
    readonly expiresAt: string;
    readonly card: string;
    /** What it would change in a file. */
    readonly change: ShownChange;
  }[];
  readonly receipts: { readonly size: number; readonly durable: boolean };
  /** The memory file as receipts speak of it; null: nothing was remembered. */
  readonly memory: {
    readonly store: string;
    readonly entries: number;
    /** An older or another file stands in its place. */
    readonly rolledBack: boolean;
  } | null;
  readonly anchor: string;
  /** Null: there is no block, or the kernel restarts. */
  readonly chain: { readonly height: number; readonly grade: string } | null;
  readonly openSessions: number;
  readonly models: {
    /** Id of the model that a task asks where none is named. */
    readonly default: string | null;
    readonly confirmed: number;
    /** The person agreed that text goes to models elsewhere as it is. */
    readonly unscrubbedConsent: boolean;
    /** Confirmed models that are not on this machine. */
    readonly remote: readonly string[];
  };
}

const mib = (kib: bigint): number => Math.round(Number(kib) / 102.4) / 10;

const chainOf = async (
  launcher: Awaited<ReturnType<Kernel["launcher"]>>,
): Promise<StatusView["chain"]> => {
  try {
    const { height, grade } = await launcher.chainStatus({}, { deadlineMs: callDeadlineMs });
    return height === undefined ? null : { height: Number(height), grade };
  } catch (error) {
    // While it restarts nobody can say; everything else of the status is there.
    if (isUnavailable(error)) return null;
    throw error;
  }
};

export const readStatus = async (kernel: Kernel): Promise<StatusView> => {
  const options = { deadlineMs: callDeadlineMs };
  const [launcher, person, models, policy] = await Promise.all([
    kernel.launcher(),
    kernel.person(),
    kernel.models(),
    kernel.policy(),
  ]);
  const [status, chain, guardian, waiting, listed, text, { changes }] = await Promise.all([
    launcher.kernelStatus({}, options),
    chainOf(launcher),
    person.guardianStatus({}, options),
    person.listApprovals({}, options),
    models.listModels({}, options),
    policy.getPolicy({}, options),
    policy.listPolicyChanges({}, options),
  ]);
  return {
    schema: "ioi.status/1",
    rpc: status.rpcAddress,
    http: status.httpAddress,
    page: status.page === "" ? null : status.page,
    startedAt: isoTime(status.startedMs),
    restarts: status.restarts,
    sandbox: status.sandbox,
    processes: status.processes.map(({ name, pid, uid, state, pssKib, sandbox }) => ({
      name,
      pid,
      uid,
      state,
      pssMiB: mib(pssKib),
      sandbox,
    })),
    pssMiB: mib(status.processes.reduce((sum, { pssKib }) => sum + pssKib, 0n)),
    policy: {
      hash: toHex(guardian.policyHash),
      error: guardian.policyError === "" ? null : guardian.policyError,
      origin: text.origin,
      changes: changes.map(({ id, expiresMs }) => ({
        id,
        expiresAt: isoTime(expiresMs),
      })),
    },
    approvals: waiting.approvals.map((approval) => ({
      id: approval.id,
      session: approval.session,
      target: approval.target,
      expiresAt: isoTime(approval.expiresMs),
      card: approval.card,
      change: changeOf(approval),
    })),
    receipts: { size: Number(guardian.logSize), durable: guardian.durable },
    memory: memoryOf(guardian.memory),
    anchor: guardian.anchor,
    chain,
    openSessions: guardian.openSessions,
    models: {
      default: listed.models.find(({ isDefault }) => isDefault)?.id ?? null,
      confirmed: listed.models.length,
      unscrubbedConsent: listed.unscrubbedConsent,
      remote: listed.models.filter(({ loopback }) => !loopback).map(({ id }) => id),
    },
  };
};

const memoryLine = (memory: StatusView["memory"]): string => {
  if (memory === null) return "nothing was remembered yet";
  const { store, entries, rolledBack } = memory;
  const state = rolledBack ? ", WENT BACK: another file stands in its place" : "";
  return `memory ${store.slice(0, 16)}, ${entries} entries${state}`;
};

const modelLines = ({ default: id, remote }: StatusView["models"]): readonly string[] => {
  if (id === null) return ["no model; ./ioi models discover"];
  const goes =
    remote.length === 0
      ? "no text leaves this machine for a model"
      : `text goes as it is, nothing masked, to ${remote.map(visible).join(", ")}`;
  return [`model ${visible(id)}; ${goes}`];
};

export const printStatus = (context: CommandContext, status: StatusView): void => {
  const { output } = context;
  output.value(status);
  output.line(`kernel on ${status.rpc}, since ${status.startedAt}, ${status.restarts} restarts`);
  output.line(`health on http://${status.http}/readyz`);
  const page = status.page === null ? "none is served" : `${status.page}  (./ioi open)`;
  output.line(`page ${page}`);
  const width = Math.max(0, ...status.processes.map(({ name }) => name.length));
  for (const each of status.processes) {
    const memory = `${each.pssMiB.toFixed(1).padStart(6)} MiB`;
    const sandbox = each.sandbox.length === 0 ? "no sandbox" : each.sandbox.join(", ");
    output.line(
      `  ${each.name.padEnd(width)}  ${each.state}  pid ${each.pid}  uid ${each.uid}  ${memory}  ${sandbox}`,
    );
  }
  output.line(`  together ${status.pssMiB} MiB; sandbox: ${status.sandbox}`);
  const { policy } = status;
  output.line(
    `policy ${policy.hash.slice(0, 16)}${policy.error === null ? "" : ", DOES NOT LOAD:"}`,
  );
  if (policy.error !== null) output.line(`  ${visible(policy.error)}`);
  if (policy.origin === "edited") output.line(`  ${originText(policy.origin)}`);
  const durable = status.receipts.durable ? "" : ", NOT DURABLE";
  output.line(`receipts ${status.receipts.size}${durable}; anchor: ${status.anchor}`);
  if (status.chain !== null) {
    output.line(`chain at block ${status.chain.height}, grade ${status.chain.grade}`);
  }
  output.line(memoryLine(status.memory));
  output.line(`sessions open ${status.openSessions}`);
  for (const line of modelLines(status.models)) output.line(line);
  if (status.approvals.length + policy.changes.length === 0) output.line("nothing waits for you");
  for (const { id, expiresAt } of policy.changes) {
    output.line(`waits for you: ${id}  a change of the policy  until ${expiresAt}`);
  }
  for (const { id, target, session, expiresAt } of status.approvals) {
    output.line(`waits for you: ${id}  ${target}  session ${session}  until ${expiresAt}`);
  }
};

const clearScreen = "\u001B[2J\u001B[H";

const watch = async (context: CommandContext, kernel: Kernel): Promise<never> => {
  const { io, output, signal } = context;
  for (let last = ""; ;) {
    try {
      const status = await readStatus(kernel);
      // On a terminal the picture is redrawn; elsewhere only a change is worth a line.
      const now = JSON.stringify({ ...status, pssMiB: 0, processes: status.processes.length });
      if (io.stdoutIsTerminal && !output.json) io.out(clearScreen);
      if (io.stdoutIsTerminal || now !== last) printStatus(context, status);
      last = now;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      output.progress("the kernel does not answer; waiting for it");
      await kernel.recover();
    }
    await sleep(watchIntervalMs, undefined, { signal });
  }
};

export const status: Handler<{ readonly watch?: boolean }> = async (context, { options }) => {
  const paths = requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: false }).catch((error: unknown) => {
    throw whyNoKernel(error, paths);
  });
  if (options.watch === true) return await watch(context, kernel);
  printStatus(context, await readStatus(kernel));
  return exitCodes.done;
};
