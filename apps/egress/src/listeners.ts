/**
 * Who listens on a port of this machine, and who took a connection to it. Egress sees no other process;
 * the launcher looks for it.
 *
 * Bounds: `listenerMs` for an answer, `acceptMs` for a server to take a connection; as many questions wait as requests run.
 */
import type net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { OperationError } from "@ioi/base";
import { acceptMs, acceptPollMsMax, acceptPollMsMin, listenerMs } from "./limits.ts";

export interface Listener {
  readonly uid: number;
  /** Absolute; empty where it cannot be seen. */
  readonly program: string;
}

/** Who has an end of a connection, or listens for one. */
export interface FindListener {
  /** Undefined where nobody listens. */
  readonly listens: (port: number) => Promise<Listener | undefined>;
  /** Of the connection from `caller`; `waiting`: nobody has taken it. */
  readonly took: (port: number, caller: number) => Promise<Listener | "waiting" | undefined>;
}

interface Answer {
  readonly type: "listener";
  readonly id: number;
  readonly uid?: number;
  readonly program?: string;
  readonly waiting?: boolean;
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
  const ask = (question: { readonly port: number; readonly caller?: number }): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const id = ++last;
      const timer = setTimeout(() => {
        waiting.delete(id);
        const text = "nobody says who listens there";
        reject(new OperationError("E_EGRESS_LISTENER", text, { retryable: true }));
      }, listenerMs);
      waiting.set(id, (answer) => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(answer);
      });
      process.send?.({ type: "listener", id, ...question });
    });
  const found = ({ uid, program }: Answer): Listener | undefined =>
    uid === undefined ? undefined : { uid, program: program ?? "" };
  return {
    listens: async (port) => found(await ask({ port })),
    took: async (port, caller) => {
      const answer = await ask({ port, caller });
      return answer.waiting === true ? "waiting" : found(answer);
    },
  };
};

const isSame = (now: Listener, confirmed: Listener): boolean =>
  now.uid === confirmed.uid && (confirmed.program === "" || now.program === confirmed.program);

const nameOf = ({ uid, program }: Listener): string =>
  program === "" ? `a program of user ${uid}` : program;

/**
 * A port that another program took answers for the model that a person confirmed: it is not asked,
 * and gets no prompt. Where the program could not be seen then, its owner is compared alone.
 */
export const checkListener = async (
  { listens }: FindListener,
  port: number,
  confirmed: Listener,
): Promise<void> => {
  const now = await listens(port);
  if (now === undefined) {
    throw new OperationError("E_EGRESS_CONNECT", `nothing listens on port ${port}`, {
      retryable: true,
    });
  }
  if (isSame(now, confirmed)) return;
  throw new OperationError(
    "E_EGRESS_LISTENER",
    `on port ${port} listens ${nameOf(now)}, not what was confirmed`,
  );
};

/**
 * The same of the connection itself, before a byte of the request goes: whoever listened a moment ago, or
 * listens beside, may not be who took it. A server that is busy takes it late. Bound: `acceptMs`.
 */
export const checkConnection = async (
  { took }: FindListener,
  { socket }: { readonly socket: Pick<net.Socket, "localPort" | "remotePort"> },
  confirmed: Listener,
  signal: AbortSignal,
): Promise<void> => {
  const { localPort = 0, remotePort = 0 } = socket;
  const until = performance.now() + acceptMs;
  let pauseMs = acceptPollMsMin;
  let now = await took(remotePort, localPort);
  while (now === "waiting" && performance.now() < until) {
    await sleep(pauseMs, undefined, { signal });
    pauseMs = Math.min(pauseMs * 2, acceptPollMsMax);
    now = await took(remotePort, localPort);
  }
  if (now === "waiting" || now === undefined) {
    const why = now === undefined ? "is gone" : "is not taken by its server";
    const message = `the connection to port ${remotePort} ${why}`;
    throw new OperationError("E_EGRESS_CONNECT", message, { retryable: true });
  }
  if (isSame(now, confirmed)) return;
  throw new OperationError(
    "E_EGRESS_LISTENER",
    `the connection to port ${remotePort} was taken by ${nameOf(now)}, not what was confirmed`,
  );
};
