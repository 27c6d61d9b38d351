/**
 * `ioi policy show|set|history`, and the answer to a change that waits: the policy of a data folder,
 * changed through its Guardian. What is signed is the card that stands on the terminal.
 */
import { resolve } from "node:path";
import { equalBytes, type ExitCode, exitCodes, toHex, utf8Decode } from "@ioi/base";
import { domains, signPayload } from "@ioi/crypto";
import { policyBytesMax } from "@ioi/firewall/limits";
import { nodeCrypto } from "@ioi/host/crypto";
import { type pb, policyStatement, schema } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { type Kernel, openKernel } from "../kernel/connection.ts";
import { cardHash, readDeviceKey } from "../kernel/device.ts";
import { folderPaths, readBounded, requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs, cardGuardMs } from "../limits.ts";
import { failWith, usage } from "../report.ts";
import { isoTime } from "../times.ts";
import { originText } from "../view/policy-origin.ts";
import { type OnAsk, onAskOf } from "./run.ts";

const deadline = { deadlineMs: callDeadlineMs };

export const pendingChanges = async (kernel: Kernel): Promise<readonly pb.PolicyChange[]> =>
  (await (await kernel.policy()).listPolicyChanges({}, deadline)).changes;

export const show: Handler<object> = async (context, { args }) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const policy = await kernel.policy();
  const shown = await policy.getPolicy({ textHash: args[0] ?? "" }, deadline);
  const { output } = context;
  output.value({
    schema: "ioi.policy/1",
    file: folderPaths(context.dataFolder).policy,
    hash: toHex(shown.policyHash),
    textHash: toHex(shown.textHash),
    origin: shown.origin,
    error: shown.error === "" ? null : shown.error,
    text: shown.text,
  });
  for (const line of shown.text.trimEnd().split("\n")) output.line(visible(line));
  if (args[0] === undefined) {
    output.progress(`text ${toHex(shown.textHash).slice(0, 12)}: ${originText(shown.origin)}`);
    if (shown.error !== "") output.progress(`IT DOES NOT LOAD: ${visible(shown.error)}`);
  }
  return exitCodes.done;
};

export const history: Handler<object> = async (context) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { versions } = await (await kernel.policy()).policyHistory({}, deadline);
  const { output } = context;
  const rows = versions.map(({ receiptIndex, atMs, before, after, policyHash, device, kept }) => ({
    receipt: Number(receiptIndex),
    at: isoTime(atMs),
    before: toHex(before),
    after: toHex(after),
    policyHash: toHex(policyHash),
    device,
    kept,
  }));
  output.value({ schema: "ioi.policy-history/1", versions: rows });
  if (rows.length === 0) output.line("the policy was never changed through the Guardian");
  for (const { receipt, at, before, after, device, kept } of rows) {
    const old = `${before.slice(0, 12)}${kept ? "" : " (not kept)"}`;
    output.line(
      `${at}  ${old} -> ${after.slice(0, 12)}  by ${visible(device)}, receipt ${receipt}`,
    );
  }
  return exitCodes.done;
};

const changeText = ({ id, card }: pb.PolicyChange): string => {
  const lines = visible(card).trimEnd().split("\n");
  return ["", `change ${id}`, ...lines.map((line) => `  ${line}`), ""].join("\n");
};

/** The statement that was shown, signed; never one that names another card. */
const signed = (context: CommandContext, change: pb.PolicyChange) => {
  const statement = schema.decode(policyStatement, change.statement);
  if (!statement.ok || !equalBytes(statement.value.cardHash, cardHash(nodeCrypto, change.card))) {
    throw failWith({
      code: "E_CLI_CARD_MISMATCH",
      message: `change ${change.id} names another card than the one shown`,
    });
  }
  const key = readDeviceKey(folderPaths(context.dataFolder).deviceKey, nodeCrypto);
  const made = signPayload(nodeCrypto, key, domains.policyChange, change.statement);
  return { statement: made.payload, signature: made.signature, device: key.publicKey };
};

type State = "saved" | "waits" | "withdrawn";

const said = (
  { output }: CommandContext,
  change: pb.PolicyChange,
  state: State,
  saved?: pb.SavePolicyReply,
): void =>
  output.value({
    schema: "ioi.policy-change/1",
    id: change.id,
    state,
    before: toHex(change.before),
    after: toHex(change.after),
    notWider: change.notWider,
    card: change.card,
    policyHash: saved === undefined ? null : toHex(saved.policyHash),
    receipt: saved === undefined ? null : Number(saved.receiptIndex),
  });

const save = async (
  context: CommandContext,
  kernel: Kernel,
  change: pb.PolicyChange,
): Promise<ExitCode> => {
  const policy = await kernel.policy();
  const saved = await policy.savePolicy(signed(context, change), deadline);
  said(context, change, "saved", saved);
  context.output.line(
    `saved: policy ${toHex(saved.policyHash).slice(0, 16)} holds from the next action, receipt ${saved.receiptIndex}`,
  );
  return exitCodes.done;
};

const withdraw = async (
  context: CommandContext,
  kernel: Kernel,
  change: pb.PolicyChange,
): Promise<void> => {
  await (await kernel.policy()).withdrawPolicy({ id: change.id }, deadline);
  said(context, change, "withdrawn");
  context.output.line(`withdrawn ${change.id}; the policy is as it was`);
};

/** What begins with `p-` is a change of the policy. */
export const isChangeId = (given: string): boolean => given.startsWith("p-");

const findChange = async (kernel: Kernel, given: string): Promise<pb.PolicyChange> => {
  const found = (await pendingChanges(kernel)).filter(({ id }) => id.startsWith(given));
  const [change] = found;
  if (change === undefined) {
    const message = `no change of the policy that waits is "${given}"`;
    throw failWith({ code: "E_POLICY_CHANGE_UNKNOWN", message });
  }
  if (found.length > 1) throw usage(`"${given}" begins ${found.length} changes; give more of it`);
  return change;
};

/** `ioi approve p-... --show`. */
export const showChange = async (context: CommandContext, given: string): Promise<ExitCode> => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: false });
  const change = await findChange(kernel, given);
  said(context, change, "waits");
  context.output.line(changeText(change).trim());
  return exitCodes.done;
};

/** `ioi approve p-...` and `ioi deny p-...`. */
export const answerChange = async (
  context: CommandContext,
  given: string,
  decision: "approve" | "deny",
): Promise<ExitCode> => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: false });
  const change = await findChange(kernel, given);
  context.output.progress(changeText(change));
  if (decision === "approve") return await save(context, kernel, change);
  await withdraw(context, kernel, change);
  return exitCodes.done;
};

/** A card that just appeared takes no key for a moment. */
const asked = async ({ io, signal }: CommandContext): Promise<"save" | "discard"> => {
  io.err("[a] save  [d] discard > ");
  const shownAt = io.now();
  for (;;) {
    const key = await io.readKey(signal).catch((error: unknown) => {
      io.err("\n");
      throw error;
    });
    if (io.now() - shownAt < cardGuardMs || (key !== "a" && key !== "d")) continue;
    io.err(`${key}\n`);
    return key === "a" ? "save" : "discard";
  }
};

const newText = (context: CommandContext, given: string): string => {
  const text = utf8Decode(readBounded(resolve(context.io.cwd, given), policyBytesMax));
  if (text !== undefined) return text;
  throw failWith({ code: "E_CLI_FILE", message: `${given} is not UTF-8` });
};

export const set: Handler<{ readonly onAsk?: OnAsk }> = async (context, { args, options }) => {
  const text = newText(context, args[0] ?? "");
  requireFolder(context.dataFolder);
  const onAsk = onAskOf(context, options.onAsk);
  // A change that waits does so in a kernel that stays.
  await using kernel = await openKernel(context, { start: onAsk !== "pend" });
  const policy = await kernel.policy();
  const { textHash, text: before } = await policy.getPolicy({}, deadline);
  const { output } = context;
  if (before === text) {
    output.value({ schema: "ioi.policy-change/1", id: null, state: "same" });
    output.line("this text is in force already");
    return exitCodes.done;
  }
  const { change } = await policy.proposePolicy({ text, baseHash: textHash }, deadline);
  if (change === undefined) {
    throw failWith({ code: "E_RPC_MALFORMED", message: "no change came back" });
  }
  output.progress(changeText(change));
  if (onAsk === "pend") {
    said(context, change, "waits");
    output.line(change.id);
    return exitCodes.waiting;
  }
  if (onAsk === "prompt" && (await asked(context)) === "save") {
    return await save(context, kernel, change);
  }
  await withdraw(context, kernel, change);
  return exitCodes.denied;
};
