/**
 * The real Guardian and the real Orchestrator as processes, with everything around them in hand: this
 * process is the launcher, the Workload (which nobody believes), the drivers' keys and the person. So
 * a thousand proposals can come at once, and anything can be said twice.
 */
import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { OperationError, toHex, unwrap } from "@ioi/base";
import { domainHash, domains, type PrivateKey, type SigningKey, signPayload } from "@ioi/crypto";
import { defaultPrices } from "@ioi/firewall";
import { issueCertificate, makeCertificateAuthority, nodeCrypto } from "@ioi/host/crypto";
import { listenUnix, socketPair } from "@ioi/host/libc";
import { descriptors } from "@ioi/host/process";
import { type Channel, client, type Client, connect, dial } from "@ioi/host/rpc";
import {
  type Action,
  action as actionSchema,
  decisionStatement,
  type DecisionStatement,
  pb,
  prepared as preparedSchema,
  profile as profileSchema,
  schema,
  signed,
} from "@ioi/wire";
import { LimitsGate, type ProposalGiven } from "./gate.ts";
import { startProcess } from "./process.ts";

export interface Driver {
  readonly session: string;
  readonly instanceId: Uint8Array;
  readonly key: SigningKey;
}

export interface Prepared {
  readonly action: Uint8Array;
  readonly prepared: Uint8Array;
  readonly preparedSignature: Uint8Array;
}

export class LimitsWorld implements AsyncDisposable {
  readonly folder: string;
  readonly workspace: string;
  readonly identity: Uint8Array;
  readonly bootCertificate: Uint8Array;
  readonly gate: LimitsGate;
  readonly guardian: Client<typeof pb.Process>;
  readonly #children: readonly ChildProcess[];
  readonly #carrier: Channel;
  readonly #person: Channel;
  readonly #device: PrivateKey<"ed25519">;
  #sequence = 0n;

  private constructor(parts: {
    readonly folder: string;
    readonly hello: pb.HelloReply;
    readonly gate: LimitsGate;
    readonly guardian: Client<typeof pb.Process>;
    readonly children: readonly ChildProcess[];
    readonly carrier: Channel;
    readonly person: Channel;
    readonly device: PrivateKey<"ed25519">;
  }) {
    this.folder = parts.folder;
    this.workspace = path.join(parts.folder, "work");
    this.identity = parts.hello.identity;
    this.bootCertificate = parts.hello.bootCertificate;
    this.gate = parts.gate;
    this.guardian = parts.guardian;
    this.#children = parts.children;
    this.#carrier = parts.carrier;
    this.#person = parts.person;
    this.#device = parts.device;
  }

  /** One life of both on a folder; a second life goes on where the first one ended. */
  static async open(folder: string, policy: string): Promise<LimitsWorld> {
    for (const name of ["guardian", "orchestrator", "run", "work", "device"]) {
      fs.mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 });
    }
    fs.writeFileSync(path.join(folder, "guardian/policy.toml"), policy);
    fs.writeFileSync(path.join(folder, "guardian/prices.toml"), defaultPrices);
    const seedFile = path.join(folder, "device/seed");
    if (!fs.existsSync(seedFile)) fs.writeFileSync(seedFile, nodeCrypto.randomBytes(32));
    const seed = new Uint8Array(fs.readFileSync(seedFile));
    const device = unwrap(nodeCrypto.importPrivate("ed25519", seed), "seed");
    const authority = makeCertificateAuthority("launcher");
    const common = (name: string) => ({
      dir: path.join(folder, name),
      dataFolder: folder,
      credentials: issueCertificate(authority, name),
      version: "0.0.0",
    });
    const [workloadEnd, orchestratorToWorkload] = socketPair();
    const [guardianEnd, orchestratorToGuardian] = socketPair();
    const [guardianToEgress, egressEnd] = socketPair();
    const socket = path.join(folder, "run/g.sock");
    fs.rmSync(socket, { force: true });
    const guardian = startProcess(
      "guardian",
      {
        ...common("guardian"),
        productFolders: ["guardian", "orchestrator"].map((name) => path.join(folder, name)),
        home: folder,
        devices: [toHex(device.publicKey)],
        approveOrigins: [],
        durable: true,
        keysOffered: false,
      },
      {
        [descriptors.peer]: guardianEnd,
        [descriptors.second]: listenUnix(socket),
        [descriptors.egress]: guardianToEgress,
      },
    );
    const hello = await guardian.control.hello({}, { deadlineMs: 30_000 });
    const orchestrator = startProcess(
      "orchestrator",
      {
        ...common("orchestrator"),
        host: "127.0.0.1",
        port: 0,
        chainId: "00".repeat(32),
        identity: toHex(hello.identity),
        planes: false,
      },
      {
        [descriptors.peer]: orchestratorToWorkload,
        [descriptors.second]: orchestratorToGuardian,
      },
    );
    await orchestrator.control.hello({}, { deadlineMs: 30_000 });
    // Egress is not there: its end stays open, so that the Guardian sees nobody go.
    new net.Socket({ fd: egressEnd }).on("error", () => undefined);
    const carrier = connect(new net.Socket({ fd: workloadEnd, readable: true, writable: true }));
    const credentials = issueCertificate(authority, "workload");
    return new LimitsWorld({
      folder,
      hello,
      gate: await LimitsGate.open(carrier, credentials),
      guardian: guardian.control,
      children: [guardian.child, orchestrator.child],
      carrier,
      person: await dial(socket),
      device,
    });
  }

  get person(): Client<typeof pb.Person> {
    return client(pb.Person, this.#person);
  }

  get models(): Client<typeof pb.Models> {
    return client(pb.Models, this.#person);
  }

  async session(text: string): Promise<string> {
    const { workspace } = this;
    const said = { session: "", text, workspace, agent: "planner", undoes: "" };
    return (await this.person.utter(said)).session;
  }

  /** The signed profile of a kind, as the Workload would hand it to the launcher. */
  async profile(session: string, kind: "files" | "model"): Promise<Uint8Array> {
    const { profiles } = await this.gate.gate.openSession({ session }, { deadlineMs: 10_000 });
    for (const each of profiles) {
      const { payload } = unwrap(schema.decode(signed, each), "profile");
      if (unwrap(schema.decode(profileSchema, payload), "profile").kind === kind) return each;
    }
    throw new OperationError("E_TEST", `no profile of ${kind}`);
  }

  /** An instance as the launcher makes one, with its key in our hand. */
  async driver(
    session: string,
    kind: "files" | "model" = "files",
    seed: Uint8Array = nodeCrypto.randomBytes(32),
  ): Promise<Driver> {
    const profile = unwrap(schema.decode(signed, await this.profile(session, kind)), "profile");
    const key = unwrap(nodeCrypto.importPrivate("ed25519", seed), "seed");
    const instanceId = nodeCrypto.randomBytes(16);
    await this.guardian.registerInstance({
      instanceId,
      publicKey: key.publicKey,
      kind,
      session,
      profileHash: domainHash(nodeCrypto, domains.profile, profile.payload),
    });
    return { session, instanceId, key };
  }

  prepare({ session, instanceId, key }: Driver, action: Action): Prepared {
    const encoded = schema.encode(actionSchema, action);
    const statement = schema.encode(preparedSchema, {
      version: 1,
      instanceId,
      nonce: nodeCrypto.randomBytes(16),
      session,
      actionId: domainHash(nodeCrypto, domains.action, encoded),
    });
    const { signature } = signPayload(nodeCrypto, key, domains.prepared, statement);
    return { action: encoded, prepared: statement, preparedSignature: signature };
  }

  /** Numbered by the Orchestrator, decided by the Guardian. */
  async propose(
    session: string,
    prepared: Prepared,
    changes: Partial<ProposalGiven> = {},
  ): Promise<pb.ProposeReply> {
    const proposal = { session, sequence: this.#sequence++, ...prepared, headless: false };
    return await this.gate.propose({ ...proposal, ...changes });
  }

  async card(approval: string): Promise<pb.Approval> {
    const { approvals } = await this.person.listApprovals({});
    const found = approvals.find(({ id }) => id === approval);
    if (found === undefined) throw new OperationError("E_TEST", `no ask ${approval} waits`);
    return found;
  }

  /** The person's signed answer. */
  approval(card: pb.Approval, changes: Partial<DecisionStatement> = {}) {
    const statement = schema.encode(decisionStatement, {
      version: 1,
      approval: card.id,
      session: card.session,
      actionId: card.actionId,
      cardHash: card.cardHash,
      decision: "approve",
      scope: "once",
      discharges: card.asks.map(({ kind, id }) => ({ kind, id })),
      policyHash: card.policyHash,
      ...changes,
    });
    const { signature } = signPayload(nodeCrypto, this.#device, domains.decision, statement);
    return { statement, signature, device: this.#device.publicKey, reason: "" };
  }

  /** Both processes end as by a power cut of theirs. */
  async kill(): Promise<void> {
    const ended = this.#children.map(
      (child) => new Promise((resolve) => child.once("exit", resolve)),
    );
    for (const child of this.#children) child.kill("SIGKILL");
    this.gate.close();
    this.#person.close();
    this.#carrier.close();
    await Promise.all(ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#children.some(({ exitCode, signalCode }) => exitCode === null && signalCode === null))
      await this.kill();
  }
}

export const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "";
  } catch (error) {
    if (error instanceof OperationError) return error.code;
    throw error;
  }
};
