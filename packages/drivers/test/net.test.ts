/** The net driver before the compliance suite, and what it says of every kind of answer. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { duplexPair } from "node:stream";
import { describe, it } from "node:test";
import { OperationError } from "@ioi/base";
import { domainHash, domains, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { client, connect, implement, serve } from "@ioi/host/rpc";
import {
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
  outcome as outcomeSchema,
  type Obligation,
  pb,
  prepared as preparedSchema,
  type Profile,
  profile as profileSchema,
  schema,
  signed,
  ticket as ticketSchema,
} from "@ioi/wire";
import { complianceSuite, type CompliancePlace } from "../src/compliance.ts";
import { createHandlers } from "../src/core/handlers.ts";
import { RequestClaims } from "../src/net/claims.ts";
import { NetDriver } from "../src/net/driver.ts";
import { contentRef } from "./support.ts";

type Events = readonly unknown[];
type Behaviour = (request: pb.FetchRequest, signal: AbortSignal) => Promise<Events>;

const head = (status: number, headers: Record<string, string> = {}) => ({
  event: {
    case: "head" as const,
    value: {
      status,
      headers: Object.entries(headers).map(([name, value]) => ({ name, value })),
    },
  },
});
const body = (text: string) => ({ event: { case: "body" as const, value: Buffer.from(text) } });
const end = (more: object = {}) => ({
  event: {
    case: "end" as const,
    value: { bytesUp: 10n, bytesDown: 5n, address: "192.0.2.1", mode: "mediated", ...more },
  },
});

/** A net driver whose egress answers as told. */
class Net implements AsyncDisposable {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-net-"));
  readonly bootKey = nodeCrypto.generate("ed25519");
  readonly instanceKey = nodeCrypto.generate("ed25519");
  readonly instanceId = nodeCrypto.randomBytes(16);
  readonly requests: pb.FetchRequest[] = [];
  readonly profileHash: Uint8Array;
  readonly handlers;
  readonly #close: () => void;
  offsetMs = 0;
  behaviour: Behaviour = async () => [head(200), body("hello"), end()];
  obligations: readonly Obligation[] = [];
  #counter = 0n;

  constructor() {
    const profile: Profile = {
      version: 1,
      kind: "net",
      session: "s1",
      vault: "s1",
      roots: [],
      masks: [],
      network: "egress",
      limits: { wallMs: 1, outputBytes: 1, memoryBytes: 1, processes: 1, fileBytes: 1 },
      policyHash: new Uint8Array(32),
    };
    this.profileHash = domainHash(
      nodeCrypto,
      domains.profile,
      schema.encode(profileSchema, profile),
    );
    const [near, far] = duplexPair();
    const service = implement(pb.Egress, {
      fetch: (request, context) => this.#answer(request, context.signal),
    });
    const served = serve(far, [service], { peer: "driver" });
    this.#close = () => served.close();
    const driver = new NetDriver(client(pb.Egress, connect(near)), new RequestClaims(this.folder));
    this.handlers = createHandlers({
      driver,
      provider: nodeCrypto,
      instanceKey: this.instanceKey,
      instanceId: this.instanceId,
      bootKey: this.bootKey.publicKey,
      profile,
      profileHash: this.profileHash,
      nowMs: () => performance.now() + this.offsetMs,
    });
  }

  async *#answer(request: pb.FetchRequest, signal: AbortSignal): AsyncGenerator<never> {
    this.requests.push(request);
    for (const event of await this.behaviour(request, signal)) {
      if (event instanceof Error) throw event;
      yield event as never;
    }
  }

  async run(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
    content: Uint8Array = new Uint8Array(0),
    counter: bigint = ++this.#counter,
  ) {
    const signal = new AbortController().signal;
    const reply = await this.handlers.prepare({ target, args: encodeCanonical(args) }, { signal });
    const none: Record<string, CanonicalValue> = {};
    if (reply.errorCode !== "")
      return { code: reply.errorCode, status: "", message: "", result: none, evidence: {} };
    const prepared = schema.decode(preparedSchema, reply.prepared);
    assert.ok(prepared.ok);
    const payload = schema.encode(ticketSchema, {
      version: 1,
      counter,
      actionId: prepared.value.actionId,
      target,
      session: "s1",
      agent: "a",
      policyHash: new Uint8Array(32),
      grantsHash: new Uint8Array(32),
      profileHash: this.profileHash,
      obligations: this.obligations,
      instanceId: this.instanceId,
      nonce: prepared.value.nonce,
      ttlMs: 30_000,
    });
    const ticket = schema.encode(
      signed,
      signPayload(nodeCrypto, this.bootKey, domains.ticket, payload),
    );
    const request = { nonce: prepared.value.nonce, ticket, content };
    for await (const { event } of this.handlers.act(request, { signal })) {
      if (event.case !== "result") continue;
      const outcome = schema.decode(outcomeSchema, event.value.outcome);
      const result = decodeCanonical(event.value.result);
      assert.ok(outcome.ok && result.ok);
      const { status, code = "" } = outcome.value;
      const evidence = { ...outcome.value.evidence };
      const message = event.value.errorMessage;
      return {
        status,
        code,
        evidence,
        message,
        result: result.value as Record<string, CanonicalValue>,
      };
    }
    throw new Error("an act without a result");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.handlers[Symbol.dispose]();
    this.#close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

const flow: Obligation = {
  type: "flow",
  requests: 4,
  bytesUp: 1000,
  bytesDown: 1000,
  ms: 120_000,
};
const breaks = new OperationError("E_EGRESS_RESPONSE", "aborted");

describe("an answer that breaks off", () => {
  const offsets = ({ requests }: Net): number[] => requests.map(({ offset }) => Number(offset));
  const get = (net: Net) => net.run("net::get", { url: "http://a.example/" });
  const rest = (range: string) => [
    head(206, { "content-range": range }),
    body("lo"),
    end({ requests: 2, requestLog: new Uint8Array([1, 2]) }),
  ];
  it("goes on where it ended, under a flow", async () => {
    await using net = new Net();
    net.obligations = [flow];
    net.behaviour = async ({ offset }) =>
      offset === 0n ? [head(200), body("hel"), breaks] : rest("bytes 3-4/5");
    const ran = await get(net);
    assert.deepEqual(
      [ran.status, Buffer.from(ran.result["content"] as Uint8Array).toString(), offsets(net)],
      ["confirmed", "hello", [0, 3]],
    );
    const evidence: Readonly<Record<string, string>> = ran.evidence;
    assert.deepEqual([evidence["requests"], evidence["request_log"]], ["2", "0102"]);
  });
  it("stays broken without a flow, before its first byte, and where something else comes", async () => {
    const behaviours: readonly (readonly [Obligation[], Behaviour, number[]])[] = [
      [[], async () => [head(200), body("hel"), breaks], [0]],
      [[flow], async () => [head(200), breaks], [0]],
      [
        [flow],
        async ({ offset }) =>
          offset === 0n ? [head(200), body("hel"), breaks] : rest("bytes 0-4/5"),
        [0, 3],
      ],
      [[flow], async () => [head(200), body("hel"), breaks], [0, 3]],
    ];
    for (const [obligations, behaviour, wanted] of behaviours) {
      await using net = new Net();
      net.obligations = obligations;
      net.behaviour = behaviour;
      const ran = await get(net);
      assert.deepEqual([ran.code, offsets(net)], ["E_EGRESS_RESPONSE", wanted]);
    }
  });
});

const place = (): CompliancePlace => {
  const net = new Net();
  const waits: Behaviour = (_request, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  net.behaviour = (request, signal) => {
    if (request.url.endsWith("/endless")) return waits(request, signal);
    if (request.url.endsWith("/failing")) {
      throw new OperationError("E_EGRESS_CONNECT", "nobody listens");
    }
    return Promise.resolve([head(200), body("hello"), end()]);
  };
  let made = 0;
  const post = (name: string) => {
    const content = Buffer.from(name);
    const args = { method: "POST", url: `http://a.example/${name}`, content: contentRef(content) };
    return { target: "net::post", args, content };
  };
  return {
    handlers: net.handlers,
    bootKey: net.bootKey,
    instancePublicKey: net.instanceKey.publicKey,
    instanceId: net.instanceId,
    session: "s1",
    profileHash: net.profileHash,
    obligations: [],
    advanceMs: (ms) => {
      net.offsetMs += ms;
    },
    folders: [net.folder],
    effects: () => net.requests.filter(({ method }) => method === "POST").length,
    effect: () => post(`effect-${++made}`),
    look: () => ({ target: "net::get", args: { url: "http://a.example/" } }),
    refused: () => ({ target: "net::get", args: { url: "http://0x7f.1/" } }),
    failing: () => ({ action: post("failing"), meanwhile: () => undefined }),
    endless: () => ({
      action: post("endless"),
      // Nothing of it runs in the driver; that egress cuts it is tested there.
      running: () => false,
      announces: false,
    }),
    leftovers: () => fs.readdirSync(net.folder).filter((name) => !/^[0-9]{20}$/.test(name)),
    [Symbol.asyncDispose]: () => net[Symbol.asyncDispose](),
  };
};

describe("the net driver", () => {
  it("complies", async () => {
    const cases = await complianceSuite(place, nodeCrypto);
    assert.ok(cases.length > 20);
    assert.deepEqual(
      cases.filter(({ passed }) => !passed),
      [],
    );
  });
  it("asks egress for exactly what the action says, with its ticket and action", async () => {
    await using net = new Net();
    const args = { url: "https://a.example/x?y", headers: { accept: "text/html" } };
    const { status, result, evidence } = await net.run("net::get", args);
    const [request] = net.requests;
    assert.deepEqual(
      [request?.method, request?.url, request?.headers.map(({ name, value }) => [name, value])],
      ["GET", args.url, [["accept", "text/html"]]],
    );
    assert.ok((request?.ticket.length ?? 0) > 100 && (request?.action.length ?? 0) > 50);
    assert.deepEqual(
      [status, Buffer.from(result["content"] as Uint8Array).toString(), result["status"], evidence],
      [
        "confirmed",
        "hello",
        200,
        { status: "200", bytes_up: "10", bytes_down: "5", address: "192.0.2.1", mode: "mediated" },
      ],
    );
  });
  it("tells where a redirect leads, absolute, and does not go there", async () => {
    await using net = new Net();
    net.behaviour = async () => [head(302, { location: "../z?q#f" }), body("<html>"), end()];
    const { status, code, message, result } = await net.run("net::get", {
      url: "https://a.example/x/y",
    });
    assert.deepEqual(
      [status, code, message, net.requests.length],
      ["confirmed", "E_HTTP_REDIRECT", "https://a.example/z?q#f", 1],
    );
    assert.match(
      Buffer.from(result["content"] as Uint8Array).toString(),
      /^HTTP 302\nlocation: https/,
    );
  });
  it("tells an error of the server with what it said", async () => {
    await using net = new Net();
    net.behaviour = async () => [head(404), body("not here"), end()];
    const { status, code, result } = await net.run("net::get", { url: "https://a.example/" });
    assert.deepEqual([status, code], ["confirmed", "E_HTTP_STATUS"]);
    assert.equal(Buffer.from(result["content"] as Uint8Array).toString(), "not here");
  });
  it("keeps no more of an answer than its bound", async () => {
    await using net = new Net();
    const piece = body("x".repeat(65_536));
    net.behaviour = async () => [head(200), ...Array.from({ length: 100 }, () => piece), end()];
    const { status, result } = await net.run("net::get", { url: "https://a.example/" });
    const content = result["content"] as Uint8Array;
    assert.deepEqual([status, content.length, result["truncated"]], ["confirmed", 2_097_152, true]);
  });
  const broken = new OperationError("E_EGRESS_RESPONSE", "broke off");
  const refused = new OperationError("E_EGRESS_ADDRESS", "leads home");
  const cases: readonly (readonly [string, Events, string, string])[] = [
    ["no answer came", [broken], "no-effect", "unknown"],
    ["the answer broke off", [head(200), body("ha"), broken], "no-effect", "partial"],
    ["egress refused", [refused], "no-effect", "no-effect"],
  ];
  for (const [name, events, reads, sends] of cases) {
    it(`where ${name} a request that reads is ${reads}, one that sends ${sends}`, async () => {
      await using net = new Net();
      net.behaviour = async () => events;
      const got = await net.run("net::get", { url: "https://a.example/" });
      assert.equal(got.status, reads);
      const args = { url: "https://a.example/", method: "POST" };
      const sent = await net.run("net::post", args, undefined, 500n);
      assert.equal(sent.status, sends);
      const signal = new AbortController().signal;
      const settled = await net.handlers.settle({ counter: 500n }, { signal });
      assert.equal(settled.status, sends);
    });
  }
  it("cannot tell after a crash what became of a request that had begun", () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-claims-"));
    try {
      const before = new RequestClaims(folder);
      assert.ok(before.claim(7n) !== undefined);
      const after = new RequestClaims(folder);
      assert.deepEqual(after.settle(7n).status, "unknown");
      assert.deepEqual(after.settle(8n).status, "no-effect");
      assert.equal(after.claim(7n), undefined);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
  it("makes no request while it prepares", async () => {
    await using net = new Net();
    const signal = new AbortController().signal;
    const args = encodeCanonical({ url: "https://a.example/" });
    await net.handlers.prepare({ target: "net::get", args }, { signal });
    assert.equal(net.requests.length, 0);
    for (const [target, given] of [
      ["net::get", { url: "https://a.example/", method: "POST" }],
      ["net::post", { url: "https://a.example/", method: "GET" }],
      ["net::post", { url: "https://a.example/", method: "TRACE" }],
      ["net::get", { url: "https://a.example/", content: contentRef(Buffer.from("x")) }],
      ["net::get", { url: "https://a.example/", more: 1 }],
      ["net::get", {}],
      ["fs::read", { path: "/x" }],
    ] as const) {
      assert.match((await net.run(target, given)).code, /^E_(ARGUMENTS_INVALID|TARGET_UNKNOWN)$/);
    }
  });
});
