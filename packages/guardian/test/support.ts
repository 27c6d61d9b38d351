/**
 * A Guardian on simulated ports, with everybody around it: a person with a device, drivers with
 * instance keys, an Orchestrator that numbers. Cryptography is real.
 */
import assert from "node:assert/strict";
import { concatBytes, fromHex, type OperationError, toHex, unwrap } from "@ioi/base";
import {
  domainBytes,
  domainHash,
  domains,
  openBootKey,
  type PrivateKey,
  signPayload,
  verifyPayload,
} from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/ports";
import { SimClock, SimFiles, SimLog, SimRandom } from "@ioi/sim";
import {
  type Action,
  action as actionSchema,
  type AskSource,
  bootKey,
  type DecisionStatement,
  decisionStatement,
  type Leaf,
  type Outcome,
  outcome as outcomeSchema,
  prepared as preparedSchema,
  profile as profileSchema,
  schema,
  signed,
  type Ticket,
  ticket as ticketSchema,
} from "@ioi/wire";
import {
  type Answer,
  type ApprovalCard,
  Gate,
  GuardianCore,
  type GuardianKeys,
  openGuardianKeys,
  type OutcomeReport,
  PersonSide,
  PolicySourceReader,
  type Proposal,
  type ProposalReply,
  ReceiptLog,
  receiptsPath,
  type Utterance,
} from "../src/index.ts";

export const workspace = "/home/p/work";

/** Reads are allowed, writes ask, `secret` is denied; small budgets are set by each test. */
export const policyText = (actions = 200, extra = ""): string => `version = 1
[defaults]
verdict = "ask"
[[rule]]
id = "read"
effect = "allow"
target = ["fs::read", "fs::stat"]
where.path = { glob = "scope:/**" }
[[rule]]
id = "never"
effect = "deny"
target = ["fs::read"]
where.path = { glob = "scope:/secret/**" }
[[rule]]
id = "careful"
effect = "ask"
target = ["fs::read"]
where.path = { glob = "scope:/careful/**" }
[budget.session]
actions = ${actions}
wall_minutes = 20
[approval]
expires_minutes = 10
reversible_without_asking = false
${extra}`;

/** The policy file, changed by assignment. */
export class PolicyText {
  #text: string | undefined;
  #stamp = 0;
  failing = false;

  constructor(text: string | undefined = policyText()) {
    this.#text = text;
  }

  set(text: string | undefined): void {
    this.#text = text;
    this.#stamp++;
  }

  readonly name = "policy.toml";

  stamp(): string | undefined {
    return this.#text === undefined ? undefined : String(this.#stamp);
  }

  text(): string {
    if (this.failing) throw new Error("unreadable");
    return this.#text ?? "";
  }
}

export interface WorldOptions {
  readonly seed?: string;
  readonly policy?: PolicyText;
  readonly files?: SimFiles;
  readonly clock?: SimClock;
  readonly durable?: boolean;
}

let worlds = 0;

export const device: PrivateKey<"ed25519"> = unwrap(
  nodeCrypto.importPrivate("ed25519", new Uint8Array(32).fill(9)),
  "device",
);
export const stranger: PrivateKey<"ed25519"> = unwrap(
  nodeCrypto.importPrivate("ed25519", new Uint8Array(32).fill(10)),
  "stranger",
);

/** One life of a Guardian. */
export class World {
  readonly files: SimFiles;
  readonly clock: SimClock;
  readonly policy: PolicyText;
  readonly log: SimLog = new SimLog();
  readonly keys: GuardianKeys;
  readonly core: GuardianCore;
  readonly gate: Gate;
  readonly person: PersonSide;
  readonly options: WorldOptions;
  /** Codes after which the process would have ended. */
  readonly fatal: string[] = [];
  #sequence = 0n;
  /** Above every number of an earlier life. */
  #firstOrder = 100n;

  private constructor(
    options: WorldOptions,
    parts: { files: SimFiles; clock: SimClock; policy: PolicyText; keys: GuardianKeys },
    random: SimRandom,
  ) {
    this.options = options;
    this.files = parts.files;
    this.clock = parts.clock;
    this.policy = parts.policy;
    this.keys = parts.keys;
    this.core = new GuardianCore(
      {
        clock: parts.clock,
        random,
        log: this.log,
        provider: nodeCrypto,
        parseUrl,
        localOffsetMinutes: () => 60,
        fatal: ({ code }) => this.fatal.push(code),
      },
      {
        productFolders: ["/home/p/ioi-data", "/opt/ioi"],
        home: "/home/p",
        devices: [device.publicKey],
        approveOrigins: ["http://approve.localhost:9001"],
      },
      parts.keys,
      new PolicySourceReader(parts.policy, nodeCrypto),
    );
    this.gate = new Gate(this.core);
    this.person = new PersonSide(this.core);
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const random = new SimRandom(`${options.seed ?? "world"}/${worlds++}`);
    const files = options.files ?? new SimFiles({ seed: options.seed ?? "world" });
    const clock = options.clock ?? new SimClock();
    const policy = options.policy ?? new PolicyText();
    const hasReceipts = (await files.stat(receiptsPath)) !== undefined;
    const keys = await openGuardianKeys(files, nodeCrypto, clock.wall(), !hasReceipts);
    const world = new World(options, { files, clock, policy, keys }, random);
    const receipts = await ReceiptLog.open(
      {
        files,
        random,
        provider: nodeCrypto,
        identity: keys.identity,
        origin: "ioi.test/receipts",
        durable: options.durable ?? true,
      },
      (leaf, index) => world.core.restore(leaf, index),
    );
    world.core.attach(receipts);
    world.#firstOrder += world.core.ledger.lastOrder;
    return world;
  }

  /** The next life on what this one left: after the end of the process, or on given files. */
  async restart(files: SimFiles = this.files.kill()): Promise<World> {
    return await World.open({ ...this.options, files, clock: this.clock, policy: this.policy });
  }

  /** A session with the workspace, and its files driver. */
  async session(text = "read my notes"): Promise<{ id: string; driver: TestDriver }> {
    const id = await this.utter({ text });
    return { id, driver: new TestDriver(this, id) };
  }

  /** What the person says; returns the session. */
  async utter(changes: Partial<Utterance> = {}): Promise<string> {
    const said = { session: "", text: "words", workspace, agent: "planner", undoes: "" };
    return (await this.person.utter({ ...said, ...changes })).session;
  }

  /** What the Orchestrator and the Workload do; the commitment fits unless changed. */
  proposal(driver: TestDriver, value: Action, changes: Partial<Proposal> = {}): Proposal {
    const sequence = this.#sequence++;
    const salt = nodeCrypto.randomBytes(32);
    const made = { ...driver.prepare(value), session: driver.session, sequence, salt };
    const proposal = { ...made, headless: false, ...changes };
    this.gate.notice({
      session: made.session,
      sequence,
      commitment: domainHash(
        nodeCrypto,
        domains.proposal,
        concatBytes(proposal.salt, proposal.action),
      ),
      order: sequence + this.#firstOrder,
    });
    return proposal;
  }

  async propose(
    driver: TestDriver,
    value: Action,
    changes: Partial<Proposal> = {},
  ): Promise<ProposalReply> {
    return await this.gate.propose(this.proposal(driver, value, changes));
  }

  /** Every leaf in the file. */
  async leaves(): Promise<Leaf[]> {
    const leaves: Leaf[] = [];
    for await (const { leaf } of this.core.receipts.read(0)) leaves.push(leaf);
    return leaves;
  }

  card(id: string): ApprovalCard {
    const found = this.person.approvals().find((card) => card.id === id);
    assert.ok(found, `the ask ${id} waits`);
    return found;
  }

  /** The ticket as a driver opens it: identity, boot certificate, signature. */
  openTicket(encoded: Uint8Array | undefined): Ticket {
    assert.ok(encoded !== undefined, "a ticket");
    const certificate = unwrap(schema.decode(signed, this.keys.bootCertificate), "certificate");
    const boot = unwrap(
      openBootKey(nodeCrypto, this.keys.identity.publicKey, certificate, (payload) =>
        schema.decode(bootKey, payload),
      ),
      "boot key",
    );
    const envelope = unwrap(schema.decode(signed, encoded), "envelope");
    const payload = unwrap(
      verifyPayload(nodeCrypto, "ed25519", boot.publicKey, domains.ticket, envelope),
      "signature",
    );
    return unwrap(schema.decode(ticketSchema, payload), "ticket");
  }
}

/** What the launcher started: a key, an id, and the profile that the Guardian signed. */
export class TestDriver {
  readonly key: PrivateKey<"ed25519"> = nodeCrypto.generate("ed25519");
  readonly instanceId: Uint8Array = nodeCrypto.randomBytes(16);
  readonly session: string;
  readonly kind: "files" | "exec" | "net" | "model" | "mcp" | "memory";
  /** Whom the key of the memory file is sealed to, as this instance says. */
  sealTo: Uint8Array | undefined;
  readonly profileHash: Uint8Array;

  constructor(world: World, session: string, kind: TestDriver["kind"] = "files", register = true) {
    this.session = session;
    this.kind = kind;
    const { profiles } = world.gate.openSession(session);
    const payloads = profiles.map((each) => unwrap(schema.decode(signed, each), "signed").payload);
    const payload = payloads.find(
      (each) => unwrap(schema.decode(profileSchema, each), "profile").kind === kind,
    );
    assert.ok(payload !== undefined, "a profile");
    this.profileHash = domainHash(nodeCrypto, domains.profile, payload);
    if (register) this.register(world);
  }

  register(world: World): void {
    world.core.instances.set(toHex(this.instanceId), {
      publicKey: this.key.publicKey,
      kind: this.kind,
      session: this.session,
      profileHash: this.profileHash,
      burned: new Set(),
      gone: false,
    });
  }

  prepare(
    value: Action,
    nonce: Uint8Array = nodeCrypto.randomBytes(16),
  ): Pick<Proposal, "action" | "prepared" | "preparedSignature"> {
    const action = schema.encode(actionSchema, value);
    return { action, ...this.sign(domainHash(nodeCrypto, domains.action, action), nonce) };
  }

  sign(
    actionId: Uint8Array,
    nonce: Uint8Array = nodeCrypto.randomBytes(16),
    session: string = this.session,
  ): Pick<Proposal, "prepared" | "preparedSignature"> {
    const { instanceId } = this;
    const sealTo = this.sealTo === undefined ? {} : { sealTo: this.sealTo };
    const statement = { version: 1, instanceId, nonce, session, actionId, ...sealTo };
    const { payload, signature } = signPayload(
      nodeCrypto,
      this.key,
      domains.prepared,
      schema.encode(preparedSchema, statement),
    );
    return { prepared: payload, preparedSignature: signature };
  }

  outcome(ticket: Ticket, changes: Partial<Outcome> = {}): OutcomeReport {
    const { payload, signature } = signPayload(
      nodeCrypto,
      this.key,
      domains.outcome,
      schema.encode(outcomeSchema, {
        version: 1,
        counter: ticket.counter,
        actionId: ticket.actionId,
        instanceId: this.instanceId,
        status: "confirmed",
        resultHash: new Uint8Array(32).fill(4),
        bytes: 3,
        reversible: true,
        evidence: { bytes: "3" },
        ...changes,
      }),
    );
    return {
      session: this.session,
      counter: ticket.counter,
      outcome: payload,
      signature,
      status: "",
      reportedBy: "",
    };
  }
}

export const readOf = (path: string): Action => ({
  version: 1,
  target: "fs::read",
  args: { path },
  facts: {
    path: {
      realPath: path,
      exists: true,
      kind: "file",
      dev: 1n,
      ino: 2n,
      size: 3,
      nlink: 1,
      mode: 0o644,
    },
  },
});

export const inWork = (name: string): string => `${workspace}/${name}`;

export const writeOf = (path: string, text = "hello"): Action => ({
  version: 1,
  target: "fs::write",
  args: {
    path,
    content: {
      sha256: nodeCrypto.sha256(new TextEncoder().encode(text)),
      length: text.length,
      head: text,
    },
    create: "any",
  },
  facts: { path: { realPath: path, exists: false } },
});

export const execOf = (argv: readonly string[]): Action => ({
  version: 1,
  target: "sys::exec",
  args: { argv: [...argv], cwd: workspace },
  facts: {
    program: {
      realPath: argv[0] ?? "",
      exists: true,
      kind: "file",
      mode: 0o755,
      sha256: new Uint8Array(32).fill(5),
    },
    cwd: { realPath: workspace, exists: true, kind: "directory" },
  },
});

/** What a device signs for a card; a test changes what it likes before the signature. */
export const statementOf = (
  card: ApprovalCard,
  changes: Partial<DecisionStatement> = {},
): DecisionStatement => ({
  version: 1,
  approval: card.id,
  session: card.session,
  actionId: card.actionId,
  cardHash: card.cardHash,
  decision: "approve",
  scope: "once",
  discharges: card.asks,
  policyHash: card.policyHash,
  ...changes,
});

export const answerOf = (
  statement: DecisionStatement,
  key: PrivateKey<"ed25519"> = device,
): Answer => {
  const encoded = schema.encode(decisionStatement, statement);
  const signature = nodeCrypto.sign(key, domainBytes(domains.decision, encoded));
  return { statement: encoded, signature, device: key.publicKey };
};

export const asks = (...pairs: readonly [kind: string, id: string][]): AskSource[] =>
  pairs.map(([kind, id]) => ({ kind, id }));

export const hex = (text: string): Uint8Array => {
  const bytes = fromHex(text);
  assert.ok(bytes !== undefined);
  return bytes;
};

/** The code of a rejected promise; "" where it resolved. */
export const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return "";
  } catch (error) {
    return (error as Partial<OperationError>).code ?? String(error);
  }
};

/** Everything the Guardian's fold knows, as data: maps become sorted entries. */
export const stateOf = (world: World): unknown => {
  const { ledger } = world.core;
  const nowMs = world.clock.wall();
  return {
    lastCounter: ledger.lastCounter,
    sessions: [...ledger.sessions.entries()],
    open: [...ledger.open.entries()],
    asks: [...ledger.asks.entries()],
    answers: [...ledger.answers.entries()],
    grants: [...ledger.sessions.keys()].map((id) => ledger.liveGrants(id, nowMs)),
    budgets: [...ledger.sessions.keys()].map((id) => ledger.budgets.state(id, nowMs)),
  };
};
