/**
 * A person at a desk who is counted: says a task, accepts its scope card or not, answers each card,
 * all over the kernel's own sockets and signed by the terminal's device key.
 */
import fs from "node:fs";
import path from "node:path";
import { fromHex, InvariantError, OperationError, utf8Encode } from "@ioi/base";
import { domainHash, domains, type PrivateKey, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { type Channel, client, dial } from "@ioi/host/rpc";
import { decisionStatement, pb, schema } from "@ioi/wire";
import type { SessionView } from "./sessions.ts";

export interface Answer {
  readonly decision: "approve" | "deny";
  readonly scope: "once" | "session";
}

export interface Said {
  /** What the person typed. */
  readonly words: string;
  /** What the agent then does, as recorded: commands of the planner. */
  readonly actions: string;
  /** A folder picked at the beginning; empty: what the words name. */
  readonly workspace: string;
  /** Whether the scope card is shown and accepted. */
  readonly scope: boolean;
  readonly answer: (card: pb.Approval) => Answer;
  /** A program that takes the steps instead of the planner: its folder. */
  readonly agent?: string;
  /** Folders for which a wider scope is accepted while the first card waits. */
  readonly widen?: readonly string[];
}

export interface Counted {
  readonly session: string;
  /** The scope card first, then every other. */
  readonly cards: readonly string[];
  /** States in which the session waited for the person. */
  readonly waited: readonly string[];
  readonly view: SessionView;
}

const callMs = 60_000;

/** What the recorded steps of a program may use. */
export const recordedTools = ["fs::read", "fs::delete", "fs::mkdir"] as const;

const agentOf = (folder: string) =>
  folder === ""
    ? {}
    : {
        agent: "folder",
        folder: {
          path: folder,
          name: "recorded",
          version: "1.0.0",
          tools: [...recordedTools],
          stepMs: 20_000,
        },
      };

export class CountedPerson {
  readonly #data: string;
  readonly #key: PrivateKey<"ed25519">;

  constructor(data: string) {
    this.#data = data;
    const file = JSON.parse(fs.readFileSync(path.join(data, "device/terminal.key"), "utf8")) as {
      readonly seed: string;
    };
    const key = nodeCrypto.importPrivate("ed25519", fromHex(file.seed) ?? new Uint8Array());
    if (!key.ok) throw new InvariantError("the terminal's key cannot be read");
    this.#key = key.value;
  }

  async #guardian<T>(use: (channel: Channel) => Promise<T>): Promise<T> {
    await using channel = await dial(path.join(this.#data, "run/guardian.sock"));
    return await use(channel);
  }

  async #acceptScope(session: string, folders: readonly string[] = []): Promise<string> {
    return await this.#guardian(async (channel) => {
      const scopes = client(pb.Scopes, channel);
      const { card, canonical, needless } = await scopes.proposeScope({
        session,
        picks: folders.map((value) => ({ kind: "folder", value, access: "read" })),
      });
      if (needless) throw new InvariantError("a task in words needs a scope card");
      const { payload, signature } = signPayload(nodeCrypto, this.#key, domains.scope, canonical);
      await scopes.acceptScope({ statement: payload, signature, device: this.#key.publicKey });
      return card;
    });
  }

  async #answer(
    session: string,
    seen: ReadonlySet<string>,
    decide: Said["answer"],
  ): Promise<pb.Approval | undefined> {
    return await this.#guardian(async (channel) => {
      const person = client(pb.Person, channel);
      const { approvals } = await person.listApprovals({});
      const card = approvals.find((each) => each.session === session && !seen.has(each.id));
      if (card === undefined) return undefined;
      const { decision, scope } = decide(card);
      const statement = schema.encode(decisionStatement, {
        version: 1,
        approval: card.id,
        session,
        actionId: card.actionId,
        cardHash: domainHash(nodeCrypto, domains.card, utf8Encode(card.card)),
        decision,
        scope: card.sessionScope ? scope : "once",
        discharges: card.asks.map(({ kind, id }) => ({ kind, id })),
        policyHash: card.policyHash,
      });
      const { payload, signature } = signPayload(
        nodeCrypto,
        this.#key,
        domains.decision,
        statement,
      );
      const device = this.#key.publicKey;
      await person.decide({ statement: payload, signature, device, reason: "" });
      return card;
    });
  }

  /** Says the task and sits through it to its end. */
  async run(said: Said): Promise<Counted> {
    const { words, actions, workspace, scope, answer, widen, agent = "" } = said;
    const { session } = await this.#guardian((channel) =>
      client(pb.Person, channel).utter({
        text: words,
        workspace,
        agent: "recorded",
        agentFolder: agent,
      }),
    );
    const cards = scope ? [await this.#acceptScope(session)] : [];
    const waited: string[] = [];
    const seen = new Set<string>();
    await using channel = await dial(path.join(this.#data, "run/workload.sock"));
    const updates = client(pb.Sessions, channel).start(
      { session, text: actions, workspace, onAsk: "prompt", ...agentOf(agent) },
      { deadlineMs: callMs },
    );
    let last: SessionView | undefined;
    for await (const update of updates) {
      last = JSON.parse(update.json) as SessionView;
      const waits = update.state === "waiting-approval" || update.state === "paused";
      if (waits && widen !== undefined && seen.size === 0) {
        cards.push(await this.#acceptScope(session, widen));
      }
      const card = waits ? await this.#answer(session, seen, answer) : undefined;
      if (card !== undefined) {
        seen.add(card.id);
        cards.push(card.card);
        waited.push(update.state);
      }
      if (update.rests && !waits) return { session, cards, waited, view: last };
    }
    throw new OperationError("E_TEST", `the session ended early: ${last?.state ?? "never seen"}`);
  }
}
