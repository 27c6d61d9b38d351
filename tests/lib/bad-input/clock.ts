/**
 * Bad input: a wall clock that jumps. No process of the kernel sees another clock than the
 * machine's, which a test must not set: here the Guardian's own code runs on a clock that it can.
 */
import { type OperationError, toHex, unwrap } from "@ioi/base";
import { domainBytes, domainHash, domains, signPayload } from "@ioi/crypto";
import {
  type ApprovalCard,
  Gate,
  GuardianCore,
  openGuardianKeys,
  PersonSide,
  PolicySourceReader,
  ReceiptLog,
} from "@ioi/guardian";
import { defaultPolicy } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/ports";
import { SimClock, SimFiles, SimLog, SimRandom } from "@ioi/sim";
import {
  type Action,
  action as actionSchema,
  decisionStatement,
  prepared as preparedSchema,
  schema,
  signed,
} from "@ioi/wire";
import { type BadInputCase, judged } from "./case.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const workspace = "/home/p/work";
const device = nodeCrypto.generate("ed25519");

/** A package manifest is protected: writing it always asks. */
const path = `${workspace}/package.json`;
const write: Action = {
  version: 1,
  target: "fs::write",
  args: {
    path,
    content: { sha256: nodeCrypto.sha256(new Uint8Array(1)), length: 1, head: "\0" },
    create: "any",
  },
  facts: { path: { realPath: path, exists: false } },
};

/** One life of a Guardian. */
class Life {
  readonly files: SimFiles;
  readonly clock: SimClock;
  readonly core: GuardianCore;
  readonly gate: Gate;
  readonly person: PersonSide;

  private constructor(files: SimFiles, clock: SimClock, core: GuardianCore) {
    this.files = files;
    this.clock = clock;
    this.core = core;
    this.gate = new Gate(core);
    this.person = new PersonSide(core);
  }

  static async open(files: SimFiles, clock: SimClock, first: boolean): Promise<Life> {
    const random = new SimRandom(first ? "first" : "second");
    const keys = await openGuardianKeys(files, nodeCrypto, clock.wall(), first);
    const ports = { clock, random, log: new SimLog(), provider: nodeCrypto };
    const core = new GuardianCore(
      {
        ...ports,
        parseUrl,
        localOffsetMinutes: () => 0,
        fatal: (error) => {
          throw error;
        },
      },
      {
        productFolders: ["/opt/ioi"],
        approveOrigins: ["http://approve.localhost:9001"],
        home: "/home/p",
        devices: [device.publicKey],
      },
      keys,
      new PolicySourceReader(
        { name: "policy.toml", stamp: () => "1", text: () => defaultPolicy },
        nodeCrypto,
      ),
    );
    const log = { files, random, provider: nodeCrypto, identity: keys.identity, durable: true };
    core.attach(
      await ReceiptLog.open({ ...log, origin: "ioi.test/receipts" }, (leaf, index) =>
        core.restore(leaf, index),
      ),
    );
    return new Life(files, clock, core);
  }

  async session(): Promise<string> {
    const said = { session: "", text: "words", workspace, agent: "planner", undoes: "" };
    return (await this.person.utter(said)).session;
  }

  /** What the launcher, a driver, the Workload and the Orchestrator do for one proposal. */
  async propose(session: string, sequence: bigint) {
    const key = nodeCrypto.generate("ed25519");
    const instanceId = nodeCrypto.randomBytes(16);
    const [profile] = this.gate.openSession(session).profiles;
    const { payload } = unwrap(schema.decode(signed, profile ?? new Uint8Array(0)), "profile");
    this.core.instances.set(toHex(instanceId), {
      publicKey: key.publicKey,
      kind: "files",
      session,
      profileHash: domainHash(nodeCrypto, domains.profile, payload),
      burned: new Set(),
      gone: false,
    });
    const action = schema.encode(actionSchema, write);
    const actionId = domainHash(nodeCrypto, domains.action, action);
    const nonce = nodeCrypto.randomBytes(16);
    const statement = { version: 1, instanceId, nonce, session, actionId };
    const prepared = signPayload(
      nodeCrypto,
      key,
      domains.prepared,
      schema.encode(preparedSchema, statement),
    );
    const salt = nodeCrypto.randomBytes(32);
    const opened = new Uint8Array([...salt, ...action]);
    const commitment = domainHash(nodeCrypto, domains.proposal, opened);
    this.gate.notice({ session, sequence, commitment, order: sequence + 1n });
    return await this.gate.propose({
      session,
      sequence,
      salt,
      action,
      prepared: prepared.payload,
      preparedSignature: prepared.signature,
      headless: false,
    });
  }

  /** The code of the answer's rejection; "" where it was taken. */
  async approve(card: ApprovalCard): Promise<string> {
    const statement = schema.encode(decisionStatement, {
      version: 1,
      approval: card.id,
      session: card.session,
      actionId: card.actionId,
      cardHash: card.cardHash,
      decision: "approve",
      scope: "once",
      discharges: card.asks,
      policyHash: card.policyHash,
    });
    const signature = nodeCrypto.sign(device, domainBytes(domains.decision, statement));
    try {
      await this.person.decide({ statement, signature, device: device.publicKey });
      return "";
    } catch (error) {
      return (error as Partial<OperationError>).code ?? String(error);
    }
  }
}

/** An ask that waits, and another one for the control. */
const asked = async () => {
  const life = await Life.open(new SimFiles({ seed: "clock" }), new SimClock(), true);
  const session = await life.session();
  await life.propose(session, 1n);
  await life.propose(session, 2n);
  const [card, other] = life.person.approvals();
  if (card === undefined || other === undefined) throw new Error("nothing waits");
  return { life, session, card, other };
};

export const clockCases: readonly BadInputCase[] = [
  {
    id: "clock-set-back",
    run: async () => {
      const { life, card, other } = await asked();
      life.clock.jumpWall(-day);
      await life.clock.advance(10 * minute - 1);
      const intime = await life.approve(other);
      await life.clock.advance(1);
      const late = await life.approve(card);
      return judged(
        "taken within its ten minutes, then E_APPROVAL_EXPIRED, though the clock shows yesterday",
        intime === "" && late === "E_APPROVAL_EXPIRED",
        `"${intime}" "${late}"`,
      );
    },
  },
  {
    id: "clock-set-forward",
    run: async () => {
      const { life, session, card, other } = await asked();
      const before = await life.approve(other);
      life.clock.jumpWall(day);
      const after = await life.approve(card);
      const { decision } = await life.propose(session, 3n);
      const asks = decision.asks.map(({ kind, id }) => `${kind} ${id}`);
      return judged(
        "taken before, E_APPROVAL_EXPIRED after, and the minutes of the session are over",
        before === "" && after === "E_APPROVAL_EXPIRED" && asks.includes("budget wall_minutes"),
        `"${before}" "${after}" ${asks.join(", ")}`,
      );
    },
  },
  {
    id: "clock-set-back-while-stopped",
    run: async () => {
      const { life, session, card, other } = await asked();
      const same = await Life.open(life.files.kill(), life.clock, false);
      const control = await same.approve(other);
      life.clock.jumpWall(-day);
      const next = await Life.open(same.files.kill(), life.clock, false);
      const after = await next.approve(card);
      const { decision } = await next.propose(session, 3n);
      const asks = decision.asks.map(({ kind, id }) => `${kind} ${id}`);
      return judged(
        "taken after a restart, E_APPROVAL_EXPIRED after one in the past, and no minutes left",
        control === "" && after === "E_APPROVAL_EXPIRED" && asks.includes("budget wall_minutes"),
        `"${control}" "${after}" ${asks.join(", ")}`,
      );
    },
  },
];
