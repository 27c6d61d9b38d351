/** The real egress as a process, with the launcher, the Guardian and the resolver in hand. */
import fs from "node:fs";
import net from "node:net";
import { once } from "node:events";
import { InvariantError, OperationError, toHex } from "@ioi/base";
import { actionId, domains } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { messagePair, socketPair } from "@ioi/host/libc";
import { descriptors } from "@ioi/host/process";
import { type Channel, client, type Client, connect, implement, serve } from "@ioi/host/rpc";
import { action as actionSchema, type Action, pb, schema, ticket as ticketSchema } from "@ioi/wire";
import { type Authority, seal } from "../../lib/driver-process.ts";
import { dnsStub, type DnsStub } from "../../lib/egress/dns-stub.ts";
import { startProcess, type Started } from "../../lib/limits/process.ts";

const session = "s-0123456789ab";

export class RealEgress implements AsyncDisposable {
  readonly #authority: Authority;
  readonly #started: Started;
  readonly #names: DnsStub;
  /** Our end of what sandboxes of programs would send; held open. */
  readonly #waysOut: number;
  readonly #driver: Channel;
  readonly #egress: Client<typeof pb.Egress>;
  readonly #instanceId: Uint8Array;
  #counter = 0n;

  private constructor(
    authority: Authority,
    started: Started,
    around: { readonly names: DnsStub; readonly waysOut: number },
    driver: Channel,
    instanceId: Uint8Array,
  ) {
    this.#authority = authority;
    this.#started = started;
    this.#names = around.names;
    this.#waysOut = around.waysOut;
    this.#driver = driver;
    this.#egress = client(pb.Egress, driver);
    this.#instanceId = instanceId;
  }

  /** Every name leads to this machine, and every request may reach it: the ticket alone decides. */
  static async open(authority: Authority): Promise<RealEgress> {
    const names = await dnsStub(() => ["127.0.0.1"]);
    const [guardianEnd, peer] = socketPair();
    const [waysOut, second] = messagePair();
    const leases = implement(pb.Leases, {
      lease: async () => ({
        headers: [],
        bytesUpMax: 65_536n,
        bytesDownMax: 65_536n,
        addressClasses: ["loopback"],
      }),
    });
    serve(new net.Socket({ fd: guardianEnd }), [leases], { peer: "egress" });
    const started = startProcess(
      "egress",
      {
        guardianIdentity: toHex(authority.identity.publicKey),
        bootCertificate: toHex(authority.certificate),
        authorities: [],
        resolver: names.address,
      },
      { [descriptors.peer]: peer, [descriptors.second]: second },
    );
    await started.control.hello({}, { deadlineMs: 30_000 });
    const [near, far] = socketPair();
    const instanceId = nodeCrypto.randomBytes(16);
    const paused: net.SocketConstructorOpts & { readonly pauseOnCreate: true } = {
      fd: far,
      readable: true,
      writable: true,
      pauseOnCreate: true,
    };
    const message = { type: "client", instanceId: toHex(instanceId), session, kind: "net" };
    started.child.send(message, new net.Socket(paused));
    const driver = connect(new net.Socket({ fd: near, readable: true, writable: true }));
    return new RealEgress(authority, started, { names, waysOut }, driver, instanceId);
  }

  get lookedUp(): readonly string[] {
    return this.#names.asked;
  }

  /** Asks for `url` under a ticket for `action`; `ok`, or the code of the refusal. */
  async fetch(action: Action, url: string): Promise<string> {
    const encoded = schema.encode(actionSchema, action);
    this.#counter += 1n;
    const ticket = schema.encode(ticketSchema, {
      version: 1,
      counter: this.#counter,
      actionId: actionId(nodeCrypto, encoded),
      target: action.target,
      session,
      agent: "planner",
      policyHash: new Uint8Array(32),
      grantsHash: new Uint8Array(32),
      profileHash: new Uint8Array(32),
      obligations: [],
      instanceId: this.#instanceId,
      nonce: nodeCrypto.randomBytes(16),
      ttlMs: 30_000,
    });
    const events = this.#egress.fetch(
      {
        ticket: seal(this.#authority.boot, domains.ticket, ticket),
        action: encoded,
        method: "GET",
        url,
        headers: [],
        body: new Uint8Array(0),
        offset: 0n,
      },
      { deadlineMs: 30_000 },
    );
    try {
      let status = 0;
      for await (const { event } of events) if (event.case === "head") ({ status } = event.value);
      return status === 200 ? "ok" : `status ${status}`;
    } catch (error) {
      if (error instanceof OperationError) return error.code;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { child } = this.#started;
    this.#driver.close();
    const ended = once(child, "exit");
    if (!child.kill("SIGKILL")) throw new InvariantError("egress had ended before");
    await ended;
    fs.closeSync(this.#waysOut);
    await this.#names[Symbol.asyncDispose]();
  }
}
