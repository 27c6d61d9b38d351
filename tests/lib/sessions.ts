/**
 * Sessions driven straight over the kernel's sockets, across its restarts: what a patient client
 * does. Used where thousands of commands would measure the command line instead of the kernel.
 */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OperationError } from "@ioi/base";
import { type Channel, client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

export interface ActionView {
  readonly n: number;
  readonly target: string;
  readonly verdict: string | null;
  readonly outcome: {
    readonly status: string;
    readonly reversible: boolean;
    readonly evidence: Readonly<Record<string, string>>;
  } | null;
}

export interface SessionView {
  readonly session: string;
  readonly state: string;
  readonly actions: readonly ActionView[];
  readonly error: { readonly code: string; readonly message: string } | null;
}

const isGone = (error: unknown): boolean =>
  error instanceof OperationError &&
  (error.code.startsWith("E_RPC_") || error.code === "E_SESSION_UNKNOWN");

export class PatientClient {
  readonly #data: string;
  readonly #signal: AbortSignal;
  /** Every state that the kernel showed, newest last. */
  onUpdate: (view: SessionView) => void = () => undefined;

  constructor(data: string, signal: AbortSignal) {
    this.#data = data;
    this.#signal = signal;
  }

  async #with<T>(socket: string, use: (channel: Channel) => Promise<T>): Promise<T> {
    await using channel = await dial(path.join(this.#data, "run", socket));
    return await use(channel);
  }

  /** Repeats a call until the kernel answers it, at most `withinMs`. */
  async #patient<T>(withinMs: number, call: () => Promise<T>): Promise<T> {
    const until = performance.now() + withinMs;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!isGone(error) || performance.now() > until) throw error;
        await sleep(20, undefined, { signal: this.#signal });
      }
    }
  }

  async utter(text: string, workspace: string, withinMs: number): Promise<string> {
    const { session } = await this.#patient(withinMs, () =>
      this.#with("guardian.sock", (channel) =>
        client(pb.Person, channel).utter({ text, workspace, agent: "commands" }),
      ),
    );
    return session;
  }

  /** Starts the session, or follows it where it was started already, until it rests. */
  async run(
    session: string,
    text: string,
    workspace: string,
    withinMs: number,
  ): Promise<SessionView> {
    return await this.#patient(withinMs, () =>
      this.#with("workload.sock", async (channel) => {
        const sessions = client(pb.Sessions, channel);
        // Asked each time: a start that met the end of the kernel may or may not have been taken.
        const { sessions: all } = await sessions.list({ limit: 0 });
        const known = all.some((each) => each.session === session);
        const options = { deadlineMs: withinMs };
        const updates = known
          ? sessions.follow({ session }, options)
          : sessions.start({ session, text, workspace, onAsk: "deny" }, options);
        let last: SessionView | undefined;
        for await (const update of updates) {
          last = JSON.parse(update.json) as SessionView;
          this.onUpdate(last);
          if (update.rests) return last;
        }
        throw new OperationError("E_RPC_UNAVAILABLE", "the stream ended early", {
          retryable: true,
        });
      }),
    );
  }

  async resolve(session: string, happened: boolean, withinMs: number): Promise<void> {
    await this.#patient(withinMs, () =>
      this.#with("workload.sock", (channel) =>
        client(pb.Sessions, channel).resolve({
          session,
          resolution: happened ? "happened" : "did-not-happen",
        }),
      ),
    );
  }

  async receipts(withinMs: number): Promise<readonly pb.Receipt[]> {
    const all: pb.Receipt[] = [];
    for (;;) {
      const { receipts } = await this.#patient(withinMs, () =>
        this.#with("guardian.sock", (channel) =>
          client(pb.Person, channel).listReceipts({ from: BigInt(all.length), limit: 1000 }),
        ),
      );
      if (receipts.length === 0) return all;
      all.push(...receipts);
    }
  }
}
