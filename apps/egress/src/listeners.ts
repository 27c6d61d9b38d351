/**
 * Who listens on a port of this machine. Egress sees no other process; the launcher looks for it.
 *
 * Bounds: `listenerMs` for an answer; as many questions wait as requests run.
 */
import { OperationError } from "@ioi/base";
import { listenerMs } from "./limits.ts";

export interface Listener {
  readonly uid: number;
  /** Absolute; empty where it cannot be seen. */
  readonly program: string;
}

/** Undefined where nobody listens. */
export type FindListener = (port: number) => Promise<Listener | undefined>;

interface Answer {
  readonly type: "listener";
  readonly id: number;
  readonly uid?: number;
  readonly program?: string;
}

const isAnswer = (message: unknown): message is Answer => {
  const { type, id } = (message ?? {}) as Readonly<Record<string, unknown>>;
  return type === "listener" && typeof id === "number";
};

/** Asks over the launcher's channel of this process. */
export const launcherListeners = (): FindListener => {
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  process.on("message", (message: unknown) => {
    if (isAnswer(message)) waiting.get(message.id)?.(message);
  });
  return (port) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      const timer = setTimeout(() => {
        waiting.delete(id);
        const text = "nobody says who listens there";
        reject(new OperationError("E_EGRESS_LISTENER", text, { retryable: true }));
      }, listenerMs);
      waiting.set(id, ({ uid, program }) => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(uid === undefined ? undefined : { uid, program: program ?? "" });
      });
      process.send?.({ type: "listener", id, port });
    });
};

/**
 * A port that another program took answers for the model that a person confirmed: it is not asked,
 * and gets no prompt. Where the program could not be seen then, its owner is compared alone.
 */
export const checkListener = async (
  find: FindListener,
  port: number,
  confirmed: Listener,
): Promise<void> => {
  const now = await find(port);
  if (now === undefined) {
    throw new OperationError("E_EGRESS_CONNECT", `nothing listens on port ${port}`, {
      retryable: true,
    });
  }
  const same =
    now.uid === confirmed.uid && (confirmed.program === "" || now.program === confirmed.program);
  if (same) return;
  const who = now.program === "" ? `a program of user ${now.uid}` : now.program;
  throw new OperationError(
    "E_EGRESS_LISTENER",
    `on port ${port} listens ${who}, not what was confirmed`,
  );
};
