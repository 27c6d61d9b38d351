/** A Guardian's services on a simulated disk, a Workload and an Orchestrator around them. */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { concatBytes, toHex, unwrap } from "@ioi/base";
import { domainHash, domains, type PrivateKey, signPayload } from "@ioi/crypto";
import {
  Gate,
  GuardianCore,
  ModelRegistry,
  openGuardianKeys,
  PersonSide,
  PolicySourceReader,
  PriceSource,
  ReceiptLog,
} from "@ioi/guardian";
import {
  type CertificateAuthority,
  issueCertificate,
  makeCertificateAuthority,
  nodeCrypto,
  wrapClient,
} from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/ports";
import { type Channel, client, connect, MessageQueue, serve, Tunnel } from "@ioi/host/rpc";
import { SimClock, SimFiles, SimLog, SimRandom } from "@ioi/sim";
import {
  type Action,
  action as actionSchema,
  pb,
  prepared as preparedSchema,
  schema,
  signed,
} from "@ioi/wire";
import { Anchors } from "../src/anchors.ts";
import { carryService } from "../src/carry.ts";
import { gateService } from "../src/gate-service.ts";

export type Frame = MessageInitShape<typeof pb.CarryFrameSchema>;

export const workspace = "/home/p/work";

const policy = `version = 1
[[rule]]
id = "read"
effect = "allow"
target = ["fs::read"]
where.path = { glob = "scope:/**" }
`;

export const device: PrivateKey<"ed25519"> = nodeCrypto.generate("ed25519");

export class Kernel {
  readonly authority: CertificateAuthority = makeCertificateAuthority("launcher");
  readonly files: SimFiles;
  readonly clock: SimClock;
  readonly log: SimLog;
  readonly core: GuardianCore;
  readonly gate: Gate;
  readonly person: PersonSide;
  readonly anchors: Anchors;
  readonly bugs: unknown[] = [];
  /** What the Orchestrator calls. */
  readonly carry: ReturnType<typeof carryService>;

  private constructor(core: GuardianCore, files: SimFiles, clock: SimClock, log: SimLog) {
    this.core = core;
    this.clock = clock;
    this.files = files;
    this.log = log;
    this.gate = new Gate(core);
    this.person = new PersonSide(core);
    this.anchors = new Anchors(core, log);
    this.carry = carryService({
      credentials: issueCertificate(this.authority, "guardian"),
      gate: this.gate,
      service: gateService(core, this.gate),
      anchors: this.anchors,
      log,
      onBug: (error) => this.bugs.push(error),
    });
  }

  static async open(): Promise<Kernel> {
    const files = new SimFiles({ seed: "kernel" });
    const clock = new SimClock();
    const [random, log] = [new SimRandom("kernel"), new SimLog()];
    const keys = await openGuardianKeys(files, nodeCrypto, clock.wall(), true);
    const core = new GuardianCore(
      {
        clock,
        random,
        log,
        provider: nodeCrypto,
        parseUrl,
        localOffsetMinutes: () => 60,
        fatal: (error) => assert.fail(error),
      },
      {
        productFolders: ["/opt/ioi"],
        approveOrigins: ["http://approve.localhost:9001"],
        home: "/home/p",
        devices: [device.publicKey],
      },
      keys,
      new PolicySourceReader(
        { name: "policy.toml", stamp: () => "1", text: () => policy },
        nodeCrypto,
      ),
    );
    const { identity } = keys;
    const log_ = { files, random, provider: nodeCrypto, identity, origin: "ioi.test/receipts" };
    core.attach(
      await ReceiptLog.open({ ...log_, durable: true }, (leaf, index) => core.restore(leaf, index)),
    );
    const prices = { name: "prices.toml", stamp: () => undefined, text: () => "" };
    core.attachModels(await ModelRegistry.open(files, new PriceSource(prices, log)));
    return new Kernel(core, files, clock, log);
  }

  /** An Orchestrator's connection: frames in, frames out. */
  connect(): Carrier {
    return new Carrier(this);
  }

  async session(text = "read my notes"): Promise<{ id: string; driver: Driver }> {
    const said = { session: "", text, workspace, agent: "planner", undoes: "" };
    const { session } = await this.person.utter(said);
    return { id: session, driver: new Driver(this, session) };
  }
}

/** The Orchestrator: hands frames on as they are, and may add its own. */
export class Carrier implements AsyncDisposable {
  readonly #channel: Channel;
  readonly frames = new MessageQueue<Frame>();
  readonly anchors: { readonly size: bigint; readonly root: Uint8Array }[] = [];
  /** Every byte that passed, in both directions. */
  readonly carried: Uint8Array[] = [];
  readonly tunnel: Tunnel;
  /** Resolves when the Guardian has ended the call, with what it ended with. */
  readonly ended: Promise<unknown>;

  constructor(kernel: Kernel) {
    const [near, far] = duplexPair();
    serve(far, [kernel.carry], {
      peer: "orchestrator",
      onBug: (error) => kernel.bugs.push(error),
    });
    this.#channel = connect(near);
    this.tunnel = new Tunnel((bytes) => {
      this.carried.push(bytes);
      this.frames.push({ frame: { case: "tls", value: bytes } });
    });
    this.tunnel.on("error", () => undefined);
    this.ended = this.#receive();
  }

  get channel(): Channel {
    return this.#channel;
  }

  async #receive(): Promise<unknown> {
    const replies = client(pb.Carry, this.#channel).carry(this.frames, {
      deadlineMs: Number.POSITIVE_INFINITY,
    });
    try {
      for await (const { frame } of replies) {
        if (frame.case === "tls") {
          this.carried.push(frame.value);
          this.tunnel.receive(frame.value);
        } else if (frame.case === "anchor") this.anchors.push(frame.value);
      }
      return undefined;
    } catch (error) {
      return error;
    } finally {
      this.tunnel.finish();
    }
  }

  /** The Workload's end, with the certificate of `name`. */
  async workload(
    kernel: Kernel,
    name = "workload",
    authority: CertificateAuthority = kernel.authority,
  ): Promise<ReturnType<typeof client<typeof pb.Gate>>> {
    const credentials = issueCertificate(authority, name);
    const socket = await wrapClient(this.tunnel, {
      credentials: { ...credentials, authority: issueCertificate(kernel.authority, "x").authority },
      peer: "guardian",
    });
    return client(pb.Gate, connect(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.frames.finish();
    this.tunnel.destroy();
    this.#channel.close();
    await this.#channel.closed;
  }
}

export const readOf = (name: string): Action => ({
  version: 1,
  target: "fs::read",
  args: { path: `${workspace}/${name}` },
  facts: {
    path: { realPath: `${workspace}/${name}`, exists: true, kind: "file", size: 3, nlink: 1 },
  },
});

export const writeOf = (name: string): Action => ({
  version: 1,
  target: "fs::mkdir",
  args: { path: `${workspace}/${name}` },
  facts: { path: { realPath: `${workspace}/${name}`, exists: false } },
});

let sequence = 0n;

export class Driver {
  readonly key: PrivateKey<"ed25519"> = nodeCrypto.generate("ed25519");
  readonly instanceId: Uint8Array = nodeCrypto.randomBytes(16);
  readonly session: string;

  constructor(kernel: Kernel, session: string) {
    this.session = session;
    const profile = kernel.gate.openSession(session).profiles[0];
    assert.ok(profile !== undefined);
    const { payload } = unwrap(schema.decode(signed, profile), "profile");
    kernel.core.instances.set(toHex(this.instanceId), {
      publicKey: this.key.publicKey,
      kind: "files",
      session,
      profileHash: domainHash(nodeCrypto, domains.profile, payload),
      burned: new Set(),
      gone: false,
    });
  }

  /** The numbered notice and the proposal that fits it. */
  proposal(value: Action): {
    readonly notice: Frame;
    readonly request: MessageInitShape<typeof pb.ProposeRequestSchema>;
  } {
    const action = schema.encode(actionSchema, value);
    const salt = nodeCrypto.randomBytes(32);
    const { session, instanceId } = this;
    const prepared = schema.encode(preparedSchema, {
      version: 1,
      instanceId,
      nonce: nodeCrypto.randomBytes(16),
      session,
      actionId: domainHash(nodeCrypto, domains.action, action),
    });
    const { signature } = signPayload(nodeCrypto, this.key, domains.prepared, prepared);
    const commitment = domainHash(nodeCrypto, domains.proposal, concatBytes(salt, action));
    const numbers = { session, sequence: sequence++, length: action.length };
    return {
      notice: {
        frame: { case: "notice", value: { ...numbers, commitment, order: numbers.sequence + 5n } },
      },
      request: {
        session,
        sequence: numbers.sequence,
        salt,
        action,
        prepared,
        preparedSignature: signature,
        headless: false,
      },
    };
  }
}
