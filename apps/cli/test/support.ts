/** A command line with streams that tests can read, and a kernel that tests can script. */
import { mkdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { personRuleId, type RunAction, type RunView } from "@ioi/agent";
import { concatBytes, equalBytes, OperationError, toHex, unwrap } from "@ioi/base";
import { domainBytes, domains } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { startOf } from "@ioi/host/proc";
import { implement, serve, type Served } from "@ioi/host/rpc";
import { decisionStatement, type DecisionStatement, pb, schema } from "@ioi/wire";
import { runCli } from "../src/cli.ts";
import { cardHash } from "../src/kernel/device.ts";
import type { Io } from "../src/io.ts";
import { fakeGates } from "./fake-gates.ts";
import { fakeSecrets } from "./fake-secrets.ts";
import { FakeModels } from "./fake-models.ts";
import { fakeLauncher } from "./fake-launcher.ts";
import { FakePolicy } from "./fake-policy.ts";

export { temporaryFolder } from "./folder.ts";

export interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
  /** What was written as bytes. */
  readonly bytes: Uint8Array;
}

export interface RunSettings {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly terminal?: boolean;
  /** Keys, and how many milliseconds after the one before each is typed. */
  /** Standard input. */
  readonly input?: string;
  readonly keys?: readonly (readonly [string, number])[];
  readonly controller?: AbortController;
  /** Called with everything written to the stream so far. */
  readonly onErr?: (all: string) => void;
  readonly onOut?: (all: string) => void;
}

export const runWith = async (
  argv: readonly string[],
  settings: RunSettings = {},
): Promise<Ran> => {
  let out = "";
  let err = "";
  const pieces: Uint8Array[] = [];
  const keys = [...(settings.keys ?? [])];
  let now = 0;
  const io: Io = {
    out: (text) => {
      out += text;
      settings.onOut?.(out);
    },
    outBytes: (more) => pieces.push(more),
    err: (text) => {
      err += text;
      settings.onErr?.(err);
    },
    env: settings.env ?? {},
    cwd: settings.cwd ?? tmpdir(),
    interactive: settings.terminal === true,
    stdoutIsTerminal: settings.terminal === true,
    columns: 100,
    readKey: async () => {
      const typed = keys.shift();
      if (typed === undefined) throw new Error("nobody answers");
      now += typed[1];
      return typed[0];
    },
    readInput: async () => settings.input ?? "",
    input: async function* () {
      yield Buffer.from(settings.input ?? "");
    },
    typed: () => () => undefined,
    now: () => now,
  };
  const controller = settings.controller ?? new AbortController();
  const exit = await runCli(argv, io, controller.signal);
  return { exit, out, err, bytes: concatBytes(...pieces) };
};

const hash = new Uint8Array(32).fill(3);

const actionOf = (more: Partial<RunAction>): RunAction => ({
  n: 1,
  target: "fs::read",
  display: "read a.txt",
  verdict: "allow",
  rule: "scope-read",
  rules: ["scope-read"],
  reason: "",
  instead: "",
  approval: null,
  ticket: { counter: 7, ttlMs: 30_000 },
  outcome: null,
  receipt: { index: 4, leafHash: "ab" },
  timing: null,
  ...more,
});

const confirmed: RunAction["outcome"] = {
  status: "confirmed",
  bytes: 3,
  handle: null,
  content: "hi\n",
  code: null,
  message: null,
  reversible: false,
  reportedBy: "driver",
  evidence: {},
  receipt: { index: 5, leafHash: "cd" },
};

const viewOf = (
  session: string,
  state: RunView["state"],
  actions: readonly RunAction[],
  error: RunView["error"] = null,
): RunView => ({
  schema: "ioi.run/1",
  session,
  state,
  model: null,
  actions,
  says: [],
  saysAfter: [],
  saysDropped: 0,
  cost: { tokens: 0, usd: 0, actions: actions.length, wallMs: 12 },
  error,
});

const refused = (session: string): RunView => {
  const view = denied(session, personRuleId);
  return { ...view, actions: view.actions.map((each) => ({ ...each, reason: "not today" })) };
};

const denied = (session: string, by: string): RunView =>
  viewOf(
    session,
    "failed",
    [
      actionOf({
        verdict: "deny",
        rule: by,
        reason: "outside the workspace",
        instead: "a file of the workspace",
        ticket: null,
      }),
    ],
    { code: "E_ACTION_DENIED", message: "action 1 was denied", next: null, budget: null },
  );

const asking = (session: string, approval: string): RunView =>
  viewOf(
    session,
    "waiting-approval",
    [actionOf({ verdict: "ask", rule: null, approval, ticket: null })],
    {
      code: "E_APPROVAL_PENDING",
      message: `approval ${approval} waits`,
      next: `./ioi approve ${approval}`,
      budget: null,
    },
  );

const done = (session: string, content = "hi\n"): RunView =>
  viewOf(session, "done", [actionOf({ outcome: { ...confirmed, content } })]);

interface FakeSession {
  view: RunView;
  readonly text: string;
  readonly workspace: string;
  onAsk: string;
  readonly changed: Set<() => void>;
}

const card = "read a.txt\nin the workspace";

/**
 * A kernel in this process that understands `/read` (done), `/deny` (denied), `/ask` (asks),
 * `/gone` (not available), `/wait` (works until stopped) and `/drop` (breaks every connection once).
 */
export class FakeKernel implements AsyncDisposable {
  readonly data: string;
  readonly device = nodeCrypto.generate("ed25519");
  readonly statements: DecisionStatement[] = [];
  readonly calls: string[] = [];
  /** Sessions of gates that are open. */
  readonly gates: Set<string> = new Set();
  /** Values by name. */
  readonly secrets = new Map<string, string>();
  /** What is left to undo, by session. */
  readonly undoable = new Map<string, number>();
  /** What actions found, whatever session they are of. */
  readonly contents = new Map<number, Uint8Array>();
  readonly #servers: net.Server[] = [];
  readonly #connections = new Set<Served>();
  readonly #sessions = new Map<string, FakeSession>();
  #next = 1;
  #drops = 1;
  /** The Guardian's word on the card; another one makes a mismatch. */
  readonly starts: pb.StartRequest[] = [];
  cardHash: Uint8Array = cardHash(nodeCrypto, card);

  private constructor(data: string) {
    this.data = data;
  }

  static async open(folder: string): Promise<FakeKernel> {
    const kernel = new FakeKernel(join(folder, "D"));
    for (const name of ["run", "device", "logs", "guardian", "identity"]) {
      mkdirSync(join(kernel.data, name), { recursive: true });
    }
    writeFileSync(join(kernel.data, "FORMAT"), '{"format":1}\n');
    const { publicKey } = kernel.device;
    const seed = nodeCrypto.exportPrivate(kernel.device);
    writeFileSync(
      join(kernel.data, "device/terminal.key"),
      JSON.stringify({ publicKey: toHex(publicKey), seed: toHex(seed) }),
      { mode: 0o600 },
    );
    await kernel.#listen(
      "guardian.sock",
      kernel.#person(),
      kernel.models.service(),
      kernel.policy.service(),
      fakeSecrets(kernel.secrets, kernel.calls),
    );
    await kernel.#listen(
      "workload.sock",
      kernel.#workload(),
      fakeGates(kernel.gates, kernel.calls),
    );
    await kernel.#listen("launcher.sock", fakeLauncher(kernel.calls));
    const { pid } = process;
    writeFileSync(
      join(kernel.data, "run/kernel.json"),
      JSON.stringify({ pid, started: startOf(pid), rpc: "127.0.0.1:1", http: "127.0.0.1:2" }),
    );
    return kernel;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.close();
    for (const server of this.#servers) {
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #listen(name: string, ...services: ReturnType<typeof implement>[]): Promise<void> {
    const server = net.createServer((socket) => {
      const served = serve(socket, services, {
        onBug: (error) => this.calls.push(`bug: ${String(error)}`),
      });
      this.#connections.add(served);
      void served.closed.then(() => this.#connections.delete(served));
    });
    await new Promise<void>((resolve) => server.listen(join(this.data, "run", name), resolve));
    this.#servers.push(server);
  }

  #change(session: FakeSession, view: RunView): void {
    session.view = view;
    for (const wake of session.changed) wake();
  }

  #need(id: string): FakeSession {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new OperationError("E_SESSION_UNKNOWN", `no session ${id}`);
    return session;
  }

  #asks(): readonly { readonly id: string; readonly session: string; readonly of: FakeSession }[] {
    return [...this.#sessions]
      .filter(([, { view }]) => view.state === "waiting-approval")
      .map(([session, of]) => ({ id: `ap-${session}`, session, of }));
  }

  readonly models: FakeModels = new FakeModels();
  readonly policy: FakePolicy = new FakePolicy();

  #person() {
    return implement(pb.Person, {
      utter: async ({ text, workspace }) => {
        const session = `s${this.#next++}`;
        this.calls.push(`utter ${text}`);
        this.#sessions.set(session, {
          view: viewOf(session, "planning", []),
          text,
          workspace,
          onAsk: "",
          changed: new Set(),
        });
        return { session, policyHash: hash };
      },
      memoryCheckpoint: async () => ({
        note: "ioi/scs/00\n",
        store: new Uint8Array(16),
        commit: 0n,
        size: 1n,
        root: hash,
        indexRoot: new Uint8Array(0),
        atMs: 0n,
      }),
      listApprovals: async () => ({
        approvals: this.#asks().map(({ id, session }) => ({
          id,
          session,
          actionId: hash,
          target: "fs::read",
          card,
          cardHash: this.cardHash,
          asks: [{ kind: "default", id: "default" }],
          policyHash: hash,
          createdMs: 0n,
          expiresMs: 4_000_000_000_000n,
          sessionScope: session !== "s99",
        })),
      }),
      decide: async ({ statement, signature, device, reason }) => {
        const signed = domainBytes(domains.decision, statement);
        const good =
          equalBytes(device, this.device.publicKey) &&
          nodeCrypto.verify("ed25519", device, signed, signature);
        if (!good) throw new OperationError("E_APPROVAL_INVALID", "the signature does not fit");
        const decoded = unwrap(schema.decode(decisionStatement, statement), "statement");
        this.statements.push(decoded);
        this.calls.push(`${decoded.decision} ${decoded.approval} ${reason}`.trim());
        const session = this.#need(decoded.session);
        this.#change(
          session,
          decoded.decision === "approve"
            ? done(decoded.session)
            : denied(decoded.session, "person"),
        );
        return { receiptIndex: 9n };
      },
      revoke: async ({ session }) => {
        this.calls.push(`revoke ${session}`);
        return {};
      },
      listReceipts: async () => ({ receipts: [], size: 0n }),
      checkpoint: async () => ({ note: "", size: 0n, root: hash }),
      guardianStatus: async () => ({
        identity: hash,
        bootId: hash,
        policyHash: hash,
        policyError: "",
        logSize: 12n,
        pendingApprovals: this.#asks().length,
        anchor: "software (no rollback protection)",
        durable: true,
        openSessions: this.#sessions.size,
      }),
    });
  }

  /** What a request leads to at once. */
  #begin(id: string, session: FakeSession): void {
    const [command] = session.text.split(" ");
    if (command === "/read" || command === "/drop") this.#change(session, done(id));
    else if (command === "/undo") this.#change(session, done(id, "undone\n"));
    else if (command === "/deny") this.#change(session, denied(id, "outside"));
    else if (command === "/refused") this.#change(session, refused(id));
    else if (command === "/gone") {
      const error = {
        code: "E_TARGET_UNAVAILABLE",
        message: "no driver",
        next: null,
        budget: null,
      };
      this.#change(session, viewOf(id, "failed", [], error));
    } else if (command === "/ask") {
      const view = session.onAsk === "deny" ? denied(id, "default") : asking(id, `ap-${id}`);
      this.#change(session, view);
    } else if (command === "/wait") this.#change(session, viewOf(id, "performing", []));
    else throw new Error("secret detail");
  }

  #rests(session: FakeSession): boolean {
    const { state } = session.view;
    return (
      state === "done" ||
      state === "failed" ||
      state === "stopped" ||
      (state === "waiting-approval" && session.onAsk === "pend")
    );
  }

  async *#updates(id: string, signal: AbortSignal) {
    const session = this.#need(id);
    for (;;) {
      const rests = this.#rests(session);
      yield { session: id, state: session.view.state, json: JSON.stringify(session.view), rests };
      if (rests) return;
      await new Promise<void>((resolve, reject) => {
        session.changed.add(resolve);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
  }

  async *#start(request: pb.StartRequest, signal: AbortSignal) {
    this.calls.push(`start ${request.session} ${request.onAsk}`);
    this.starts.push(request);
    const session = this.#need(request.session);
    session.onAsk = request.onAsk;
    if (session.text.startsWith("/drop") && this.#drops-- > 0) {
      for (const connection of this.#connections) connection.close();
      return;
    }
    this.#begin(request.session, session);
    yield* this.#updates(request.session, signal);
  }

  async *#follow(request: pb.FollowRequest, signal: AbortSignal) {
    const session = this.#need(request.session);
    this.calls.push(`follow ${request.session}`);
    if (session.view.state === "planning") this.#begin(request.session, session);
    yield* this.#updates(request.session, signal);
  }

  async *#undo(request: pb.UndoRequest, signal: AbortSignal) {
    this.calls.push(`undo ${request.session} ${request.action} in ${request.undoSession}`);
    const session = this.#need(request.undoSession);
    session.onAsk = request.onAsk;
    this.#begin(request.undoSession, session);
    yield* this.#updates(request.undoSession, signal);
  }

  #workload() {
    return implement(pb.Sessions, {
      start: (request, { signal }) => this.#start(request, signal),
      follow: (request, { signal }) => this.#follow(request, signal),
      undo: (request, { signal }) => this.#undo(request, signal),
      list: async () => ({
        sessions: [...this.#sessions]
          .map(([session, { view, text, workspace }]) => ({
            session,
            state: view.state,
            text,
            workspace,
            createdMs: 1_700_000_000_000n,
            actions: view.actions.length,
            undoable: this.undoable.get(session) ?? 0,
          }))
          .toReversed(),
      }),
      stop: async ({ session }) => {
        this.calls.push(`stop ${session}`);
        const error = { code: "E_SESSION_STOPPED", message: "stopped", next: null, budget: null };
        this.#change(this.#need(session), viewOf(session, "stopped", [], error));
        return { stopped: [session] };
      },
      resolve: async ({ session, resolution }) => {
        this.calls.push(`resolve ${session} ${resolution}`);
        return {};
      },
      say: async ({ session, text }) => {
        this.calls.push(`say ${session} ${text}`);
        return {};
      },
      pause: async ({ session }) => {
        this.calls.push(`pause ${session}`);
        return {};
      },
      input: async () => ({ taken: false }),
      resume: async ({ session, budget }) => {
        this.calls.push(`resume ${session} ${budget?.actions} ${budget?.microusd}`);
        return {};
      },
      showChange: async () => ({}),
      content: async ({ session, action, offset }) => {
        this.#need(session);
        const whole = this.contents.get(action);
        if (whole === undefined) throw new OperationError("E_CONTENT_NONE", "no content");
        const from = Number(offset);
        return { bytes: whole.subarray(from, from + 4), total: BigInt(whole.length) };
      },
    });
  }
}
