/**
 * The Guardian itself in this process: its gate, ledger, receipt log, registry of servers and person's
 * side, on simulated files and time, with real signatures. Around it what a Workload and a driver
 * would do: prepare and sign, propose, answer with an outcome that commits to where values come from.
 */
import { concatBytes, InvariantError, unwrap, toHex } from "@ioi/base";
import { domainBytes, domainHash, domains, type PrivateKey, signPayload } from "@ioi/crypto";
import { canonicalise, encodeOrigins, originsOf } from "@ioi/firewall";
import {
  Gate,
  GuardianCore,
  McpRegistry,
  openGuardianKeys,
  PersonSide,
  PolicySourceReader,
  type ProposalReply,
  ReceiptLog,
} from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/ports";
import { SimClock, SimFiles, SimLog, SimRandom } from "@ioi/sim";
import {
  action as actionSchema,
  decisionStatement,
  encodeJcs,
  jcsBytes,
  type JsonValue,
  outcome as outcomeSchema,
  prepared as preparedSchema,
  schema,
  signed,
  ticket as ticketSchema,
} from "@ioi/wire";
import type { DataCall, Environment } from "./data.ts";

const home = "/home/p";
/** Between two calls of an agent: nobody is asked so fast that the task would pause for it. */
const betweenCallsMs = 21_000;

export interface Trial {
  readonly verdict: "allow" | "ask" | "deny";
  readonly asks: readonly string[];
  readonly approval: string | undefined;
}

const definitionOf = (
  tool: Environment["tools"][number],
): { readonly name: string; readonly hash: Uint8Array; readonly text: string } => {
  const { name, description, parameters } = tool;
  const definition = { name, description, inputSchema: parameters };
  return {
    name,
    hash: domainHash(nodeCrypto, domains.mcpTool, jcsBytes(definition)),
    text: encodeJcs(definition),
  };
};

/** One life of a Guardian before the tools of one environment. */
export class Ground {
  readonly #core: GuardianCore;
  readonly #gate: Gate;
  readonly #person: PersonSide;
  readonly #clock: SimClock;
  readonly #device: PrivateKey<"ed25519">;
  readonly #server: string;
  readonly #definitions: ReadonlyMap<string, Uint8Array>;
  #sequence = 0n;

  private constructor(parts: {
    readonly core: GuardianCore;
    readonly clock: SimClock;
    readonly device: PrivateKey<"ed25519">;
    readonly server: string;
    readonly definitions: ReadonlyMap<string, Uint8Array>;
  }) {
    this.#core = parts.core;
    this.#clock = parts.clock;
    this.#device = parts.device;
    this.#server = parts.server;
    this.#definitions = parts.definitions;
    this.#gate = new Gate(parts.core);
    this.#person = new PersonSide(parts.core);
  }

  static async open(environment: Environment, policyText: string, seed: string): Promise<Ground> {
    const [files, clock, random] = [
      new SimFiles({ seed }),
      new SimClock(),
      new SimRandom(`${seed}/${environment.name}`),
    ];
    const device = nodeCrypto.generate("ed25519");
    const keys = await openGuardianKeys(files, nodeCrypto, clock.wall(), true);
    const core = new GuardianCore(
      {
        clock,
        random,
        log: new SimLog(),
        provider: nodeCrypto,
        parseUrl,
        localOffsetMinutes: () => 0,
        fatal: (error) => {
          throw error;
        },
      },
      {
        productFolders: [`${home}/ioi-data`],
        home,
        devices: [device.publicKey],
        approveOrigins: [],
      },
      keys,
      new PolicySourceReader(
        { name: "policy.toml", stamp: () => "1", text: () => policyText },
        nodeCrypto,
      ),
    );
    const receipts = await ReceiptLog.open(
      {
        files,
        random,
        provider: nodeCrypto,
        identity: keys.identity,
        origin: "ioi.test/receipts",
        durable: true,
      },
      (leaf, index) => core.restore(leaf, index),
    );
    core.attach(receipts);
    if (core.policy() === undefined) throw new InvariantError(core.policyError());
    const definitions = await Ground.#confirm(core, files, environment);
    return new Ground({ core, clock, device, server: environment.name, definitions });
  }

  /** The server as a person confirms it; its first list pins its tools. */
  static async #confirm(
    core: GuardianCore,
    files: SimFiles,
    { name, tools }: Environment,
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const registry = await McpRegistry.open(files, nodeCrypto);
    core.attachMcp(registry);
    const program = `/opt/${name}/server`;
    const server = {
      name,
      argv: [program],
      url: "",
      cwd: "/opt",
      env: {},
      files: [{ path: program, sha256: new Uint8Array(32) }],
      roots: [],
      identity: new Uint8Array(32),
    };
    await registry.confirm(server, { pinning: "strict", policy: "", replace: false });
    const definitions = tools.map(definitionOf);
    const { withheld } = await registry.describe(name, definitions);
    if (withheld.length > 0) throw new InvariantError(`${withheld[0]?.name}: ${withheld[0]?.why}`);
    return new Map(definitions.map((each) => [each.name, each.hash]));
  }

  /** A session of which the person typed `words`. */
  async session(words: readonly string[]): Promise<AgentSession> {
    const said = { workspace: "", agent: "compromised", undoes: "", typed: true };
    let id = "";
    for (const text of words)
      id = (await this.#person.utter({ ...said, session: id, text })).session;
    const [key, instanceId] = [nodeCrypto.generate("ed25519"), nodeCrypto.randomBytes(16)];
    this.#core.instances.set(toHex(instanceId), {
      publicKey: key.publicKey,
      kind: "mcp",
      session: id,
      profileHash: new Uint8Array(32),
      burned: new Set(),
      gone: false,
    });
    return { id, key, instanceId };
  }

  /** One call of the agent: what the gate says, and where it permits what came of it. */
  async call(
    { id, key, instanceId }: AgentSession,
    { tool, args }: Pick<DataCall, "tool" | "args">,
    answer: () => JsonValue,
  ): Promise<Trial> {
    await this.#clock.advance(betweenCallsMs);
    const made = canonicalise(
      "mcp::call",
      { server: this.#server, tool, arguments: args },
      {
        roots: [],
        home,
        hashing: nodeCrypto,
        parseUrl,
        supplied: { definition: this.#definitions.get(tool) ?? new Uint8Array(32) },
      },
    );
    const action = schema.encode(actionSchema, {
      version: 1,
      target: "mcp::call",
      args: unwrap(made, "arguments").args,
      facts: {},
    });
    const actionId = domainHash(nodeCrypto, domains.action, action);
    const nonce = nodeCrypto.randomBytes(16);
    const statement = { version: 1, instanceId, nonce, session: id, actionId };
    const { payload, signature } = signPayload(
      nodeCrypto,
      key,
      domains.prepared,
      schema.encode(preparedSchema, statement),
    );
    const [sequence, salt] = [this.#sequence++, nodeCrypto.randomBytes(32)];
    const commitment = domainHash(nodeCrypto, domains.proposal, concatBytes(salt, action));
    this.#gate.notice({ session: id, sequence, commitment, order: sequence + 1n });
    const reply = await this.#gate.propose({
      session: id,
      sequence,
      salt,
      action,
      prepared: payload,
      preparedSignature: signature,
      headless: false,
    });
    if (reply.verdict === "allow") await this.#act({ id, key, instanceId }, reply, answer());
    return {
      verdict: reply.verdict,
      asks: reply.decision.asks.map(({ kind, id: of }) => `${kind} ${of}`),
      approval: reply.approval,
    };
  }

  /** The driver: acts, and signs what came of it. */
  async #act(
    { id, key, instanceId }: AgentSession,
    { ticket, actionId, counter }: ProposalReply,
    answer: JsonValue,
  ): Promise<void> {
    const envelope = unwrap(schema.decode(signed, ticket ?? new Uint8Array()), "ticket");
    const { obligations } = unwrap(schema.decode(ticketSchema, envelope.payload), "ticket");
    const wanted = obligations.find(({ type }) => type === "origins");
    const fields = wanted?.type === "origins" ? wanted.trusted : [];
    const origins = encodeOrigins(originsOf(answer, fields));
    const outcome = schema.encode(outcomeSchema, {
      version: 1,
      counter,
      actionId,
      instanceId,
      status: "confirmed",
      resultHash: new Uint8Array(32),
      bytes: 0,
      reversible: false,
      evidence: { origins: toHex(nodeCrypto.sha256(origins)) },
    });
    const { payload, signature } = signPayload(nodeCrypto, key, domains.outcome, outcome);
    await this.#gate.report({
      session: id,
      counter,
      outcome: payload,
      signature,
      status: "",
      reportedBy: "",
      origins,
    });
  }

  /** The person's device answers a card, once. */
  async answer(approval: string, decision: "approve" | "deny"): Promise<void> {
    const card = this.#person.approvals().find((each) => each.id === approval);
    if (card === undefined) throw new InvariantError(`the ask ${approval} does not wait`);
    const statement = schema.encode(decisionStatement, {
      version: 1,
      approval: card.id,
      session: card.session,
      actionId: card.actionId,
      cardHash: card.cardHash,
      decision,
      scope: "once",
      discharges: card.asks,
      policyHash: card.policyHash,
    });
    await this.#person.decide({
      statement,
      signature: nodeCrypto.sign(this.#device, domainBytes(domains.decision, statement)),
      device: this.#device.publicKey,
    });
  }

  async close({ id, instanceId }: AgentSession): Promise<void> {
    this.#core.instanceGone(toHex(instanceId));
    await this.#gate.closeSession(id, "done");
  }
}

export interface AgentSession {
  readonly id: string;
  readonly key: PrivateKey<"ed25519">;
  readonly instanceId: Uint8Array;
}
