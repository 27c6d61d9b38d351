/**
 * Memories, by the same direct requests that a person types: each is a task through the gate, with its
 * receipts. What is recalled comes with its proof, and is shown from that alone.
 */
import { recallProofBytesMax } from "../pure/limits.ts";
import { foundBy, type Roots, rootsOf } from "../pure/memory.ts";
import { parseRun, type RunAction, type RunView } from "../pure/run.ts";
import { type RecallChecked, verifyRecalled } from "../verify/run.ts";
import { api } from "./client.ts";
import { begin, plan } from "./plans.ts";
import { refreshSessions } from "./queries.ts";

/** Between two looks at a task that runs, and at one that waits for a person, in milliseconds. */
const [lookMs, waitMs] = [150, 700] as const;

const ended: readonly string[] = ["done", "failed", "stopped"];

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      },
      { once: true },
    );
  });

const look = async (session: string, signal: AbortSignal): Promise<RunView> => {
  const view = parseRun((await api.getSession({ session }, { signal })).json);
  if (view === undefined) throw new Error("the console's answer is no session");
  return view;
};

/** A direct request to its end; told when it waits for an answer to its card. */
export const request = async (
  text: string,
  signal: AbortSignal,
  onAsk: () => void = () => undefined,
): Promise<RunView> => {
  const none = { folder: "", files: [], persons: [], model: "", dollarsMax: 0, minutesMax: 15 };
  const made = await plan({ text, typed: true, access: "read", ...none });
  await begin(made);
  let asked = false;
  for (;;) {
    const view = await look(made.reply.session, signal);
    // The receipt of an outcome comes a moment after it; what was denied has none.
    const told = view.actions.every(
      ({ verdict, outcome }) => verdict === "deny" || outcome?.receipt !== undefined,
    );
    if (ended.includes(view.state) && (told || view.state !== "done")) {
      await refreshSessions();
      return view;
    }
    const waits = view.state === "waiting-approval";
    if (waits && !asked) onAsk();
    asked ||= waits;
    await pause(waits ? waitMs : lookMs, signal);
  }
};

/** What the action did, or why it did not. */
export const actionOf = (view: RunView): RunAction => {
  const [action] = view.actions;
  if (view.state === "done" && action !== undefined) return action;
  const { message = "the task did not end well", next } = view.error ?? {};
  throw new Error(next === undefined ? message : `${message}. Next: ${next}`);
};

const proofOf = async (session: string, signal: AbortSignal): Promise<Uint8Array> => {
  const pieces: Uint8Array[] = [];
  for (let offset = 0n; ;) {
    const asked = { session, action: 1, offset, length: 0, part: "proof" };
    const { bytes, total } = await api.getContent(asked, { signal });
    if (total > recallProofBytesMax) throw new Error("the proof is too large for this page");
    pieces.push(bytes);
    offset += BigInt(bytes.length);
    if (bytes.length > 0 && offset < total) continue;
    return new Uint8Array(await new Blob(pieces.map((each) => each.slice())).arrayBuffer());
  }
};

export interface RecalledHere {
  readonly query: string;
  readonly session: string;
  readonly receipt: number | undefined;
  /** What was looked with, where a model was chosen for memories. */
  readonly foundBy: string | undefined;
  /** Undefined: nothing was ever remembered. */
  readonly proved:
    | ({ readonly roots: Roots; readonly proof: Uint8Array } & RecallChecked)
    | undefined;
}

/** Recalls, fetches the proof, and verifies it in this browser against the receipt's roots. */
export const recallHere = async (
  query: string,
  command: string,
  signal: AbortSignal,
): Promise<RecalledHere> => {
  const view = await request(command, signal);
  const { outcome } = actionOf(view);
  const evidence = outcome?.evidence ?? [];
  const roots = rootsOf(evidence);
  const receipt = outcome?.receipt?.index;
  const common = { query, session: view.session, receipt, foundBy: foundBy(evidence) };
  if (roots === undefined) return { ...common, proved: undefined };
  const proof = await proofOf(view.session, signal);
  return { ...common, proved: { roots, proof, ...(await verifyRecalled(proof, roots, signal)) } };
};
