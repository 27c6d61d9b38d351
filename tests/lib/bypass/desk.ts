/**
 * What a person types, what an agent then proposes, and what is signed at the desk: over the real
 * kernel's own sockets, so that a wrong statement can be sent as well as a right one.
 */
import fs from "node:fs";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { RunView } from "@ioi/agent";
import { fromHex, OperationError, unwrap, utf8Encode } from "@ioi/base";
import { domainHash, domains, type PrivateKey, signPayload } from "@ioi/crypto";
import { openManifest } from "@ioi/drivers/agent";
import { nodeCrypto } from "@ioi/host/crypto";
import { type Channel, client, dial } from "@ioi/host/rpc";
import { type DecisionStatement, decisionStatement, pb, schema } from "@ioi/wire";

/** Proposes what it is told, and is persuaded of nothing else. */
const agentFolder = fileURLToPath(new URL("../../fixtures/agents/steps", import.meta.url));

export interface Step {
  readonly target: string;
  readonly args: Readonly<Record<string, unknown>>;
}

const callMs = 60_000;

const quoted = (text: string): string => `'${text.replaceAll("'", `'"'"'`)}'`;

/** As the planner's command, where it has one: that needs no program of its own. */
const commandOf = ({ target, args }: Step): string | undefined => {
  switch (target) {
    case "net::get":
      return `/fetch ${quoted(String(args["url"]))}`;
    case "fs::write":
      return `/write ${quoted(String(args["path"]))} ${quoted(String(args["content"]))}`;
    case "sys::exec":
      return `/run ${(args["argv"] as readonly string[]).map(quoted).join(" ")}`;
    case "mcp::call":
      return `/call ${String(args["server"])}.${String(args["tool"])} ${quoted(JSON.stringify(args["arguments"]))}`;
    case "memory::recall":
      return `/recall ${quoted(String(args["query"]))}`;
    default:
      return undefined;
  }
};

const folderAgent = () => {
  const { name, version, tools } = openManifest(agentFolder);
  return {
    agent: "folder",
    folder: { path: agentFolder, name, version, tools: [...tools], stepMs: callMs },
  };
};

export class Desk {
  readonly data: string;
  readonly #key: PrivateKey<"ed25519">;

  constructor(data: string) {
    this.data = data;
    const text = fs.readFileSync(path.join(data, "device/terminal.key"), "utf8");
    const { seed } = JSON.parse(text) as { readonly seed: string };
    const key = nodeCrypto.importPrivate("ed25519", fromHex(seed) ?? new Uint8Array(0));
    this.#key = unwrap(key, "the terminal's key");
  }

  async guardian<T>(use: (channel: Channel) => Promise<T>): Promise<T> {
    await using channel = await dial(path.join(this.data, "run/guardian.sock"));
    return await use(channel);
  }

  /** A new session with what was typed; its agent is the planner, or a program where one is asked for. */
  async say(words: string, workspace: string, program = false): Promise<string> {
    const { session } = await this.guardian((channel) =>
      client(pb.Person, channel).utter({
        text: words,
        workspace,
        agent: program ? "folder" : "recorded",
        agentFolder: program ? agentFolder : "",
      }),
    );
    return session;
  }

  /** What the agent proposes in it; returns where it rests. */
  async propose(
    session: string,
    workspace: string,
    steps: readonly Step[],
    onAsk: "deny" | "pend" = "deny",
  ): Promise<RunView> {
    const commands = steps.map(commandOf);
    const planned = commands.every((each) => each !== undefined);
    await using channel = await dial(path.join(this.data, "run/workload.sock"));
    const updates = client(pb.Sessions, channel).start(
      {
        session,
        text: planned ? commands.join(" && ") : JSON.stringify(steps),
        workspace,
        onAsk,
        ...(planned ? {} : folderAgent()),
      },
      { deadlineMs: callMs },
    );
    let last: RunView | undefined;
    for await (const update of updates) {
      if (update.json === "") continue;
      last = JSON.parse(update.json) as RunView;
      if (update.rests) return last;
    }
    throw new OperationError("E_RPC_UNAVAILABLE", "the session's stream ended early");
  }

  async run(words: string, workspace: string, steps: readonly Step[]): Promise<RunView> {
    const program = steps.some((step) => commandOf(step) === undefined);
    return await this.propose(await this.say(words, workspace, program), workspace, steps);
  }

  /** The card that a session waits for. */
  async card(session: string): Promise<pb.Approval> {
    const { approvals } = await this.guardian((channel) =>
      client(pb.Person, channel).listApprovals({}),
    );
    const card = approvals.find((each) => each.session === session);
    if (card === undefined) throw new OperationError("E_TEST", `${session} has no card`);
    return card;
  }

  /** An approval of the card, signed; with changes, one that no honest desk makes. */
  approval(card: pb.Approval, changes: Partial<DecisionStatement> = {}): pb.DecideRequest {
    const statement = schema.encode(decisionStatement, {
      version: 1,
      approval: card.id,
      session: card.session,
      actionId: card.actionId,
      cardHash: domainHash(nodeCrypto, domains.card, utf8Encode(card.card)),
      decision: "approve",
      scope: "once",
      discharges: card.asks.map(({ kind, id }) => ({ kind, id })),
      policyHash: card.policyHash,
      ...changes,
    });
    const signed = signPayload(nodeCrypto, this.#key, domains.decision, statement);
    return {
      statement: signed.payload,
      signature: signed.signature,
      device: this.#key.publicKey,
      reason: "",
    } as pb.DecideRequest;
  }

  /** Empty where it was taken, else the code of the refusal. */
  async decide({ statement, signature, device }: pb.DecideRequest): Promise<string> {
    try {
      await this.guardian((channel) =>
        client(pb.Person, channel).decide({ statement, signature, device, reason: "" }),
      );
      return "";
    } catch (error) {
      if (error instanceof OperationError) return error.code;
      throw error;
    }
  }

  /** Follows a session past its card to where it rests. */
  async follow(session: string): Promise<RunView> {
    for (const until = performance.now() + callMs; performance.now() < until;) {
      await using channel = await dial(path.join(this.data, "run/workload.sock"));
      const updates = client(pb.Sessions, channel).follow({ session }, { deadlineMs: callMs });
      for await (const update of updates) {
        if (update.json === "") continue;
        const view = JSON.parse(update.json) as RunView;
        if (update.rests && view.state !== "waiting-approval") return view;
      }
      await setImmediate();
    }
    throw new OperationError("E_TEST", `${session} still waits for its card`);
  }
}
