/** A ticket's flow: an answer that broke off goes on, and nothing else does. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type net from "node:net";
import { test } from "node:test";
import { instant, type Instant, OperationError, toHex } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { encodeCanonical, type Obligation, type pb } from "@ioi/wire";
import { type Asked, driver, fetchWith, requestOf, type World, worldOf } from "./support.ts";

const text = "0123456789abcdefghij";

interface Broken extends AsyncDisposable {
  readonly url: string;
  readonly ranges: (string | undefined)[];
}

/** Sends five bytes a request and breaks off, until the rest is no more than five. */
const brokenServer = async (
  options: { readonly tag?: string; readonly ignoresRange?: boolean } = {},
): Promise<Broken> => {
  const ranges: (string | undefined)[] = [];
  const { tag = '"v1"' } = options;
  const server = http.createServer((request, response) => {
    const { range } = request.headers;
    ranges.push(
      range === undefined ? undefined : `${range} if ${String(request.headers["if-range"])}`,
    );
    const from = options.ignoresRange === true ? 0 : Number(/\d+/.exec(range ?? "0")?.[0]);
    const rest = text.slice(from);
    response.writeHead(range === undefined || options.ignoresRange === true ? 200 : 206, {
      "content-length": rest.length,
      ...(tag === "" ? {} : { etag: tag }),
      ...(range === undefined ? {} : { "content-range": `bytes ${from}-19/20` }),
    });
    response.write(rest.slice(0, 5), () => {
      if (rest.length <= 5) response.end();
      else response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/page`,
    ranges,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

type Flow = Extract<Obligation, { readonly type: "flow" }>;
const bounds: Flow = {
  type: "flow",
  requests: 4,
  bytesUp: 65_536,
  bytesDown: 1_000_000,
  ms: 120_000,
};

class Tries {
  readonly world: World;
  readonly #request: pb.FetchRequest;
  nowMs = 0;

  constructor(url: string, flow: Partial<Flow> | "none" = {}, more: Partial<Asked> = {}) {
    const obligations = flow === "none" ? [] : [{ ...bounds, ...flow }];
    this.#request = requestOf({ url, ticket: { obligations }, ...more });
    const now = (): Instant => instant(BigInt(this.nowMs) * 1_000_000n);
    this.world = worldOf({ classes: ["loopback"], clock: { now } });
  }

  /** `whole` with its body, or the code and why. */
  async at(
    offset: number,
    change: Partial<pb.FetchRequest> = {},
    client = driver,
  ): Promise<string> {
    const request = { ...this.#request, offset: BigInt(offset), ...change };
    const signal = new AbortController().signal;
    try {
      const { body, end } = await fetchWith(this.world, request, signal, client);
      this.end = end;
      return `whole: ${body}`;
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      return `${error.code}: ${error.message}`;
    }
  }

  end: pb.FetchEnd | undefined;
}

const broke = /^E_EGRESS_RESPONSE/;
const refused = (why: string): RegExp => new RegExp(`^E_EGRESS_TICKET: ${why}`);

/** By the definition, with nothing of ours but the encoding. */
const logOf = (entries: readonly { readonly [name: string]: string | number }[]): string => {
  let link: Uint8Array = new Uint8Array(32);
  for (const entry of entries) {
    const bytes = Buffer.concat([
      Buffer.from("ioi/egress/flow-log/v1\0"),
      link,
      encodeCanonical(entry),
    ]);
    link = createHash("sha256").update(bytes).digest();
  }
  return toHex(link);
};

test("an answer that breaks off goes on under one lease, and its log is a chain", async () => {
  await using server = await brokenServer();
  const tries = new Tries(server.url);
  assert.match(await tries.at(0), broke);
  assert.match(await tries.at(5), broke);
  assert.match(await tries.at(10), broke);
  assert.equal(await tries.at(15), "whole: fghij");
  assert.deepEqual(server.ranges, [
    undefined,
    'bytes=5- if "v1"',
    'bytes=10- if "v1"',
    'bytes=15- if "v1"',
  ]);
  assert.deepEqual(tries.world.leased, ["lease"]);
  const entry = (status: number) => ({ method: "GET", url: server.url, status, bytes: 5 });
  assert.equal(tries.end?.requests, 4);
  const log = toHex(tries.end?.requestLog ?? new Uint8Array(0));
  assert.equal(log, logOf([entry(200), entry(206), entry(206), entry(206)]));
  // One entry said otherwise is another log.
  assert.notEqual(log, logOf([entry(200), entry(206), entry(200), entry(206)]));
  assert.equal(domainHash(nodeCrypto, domains.flowLog, new Uint8Array(0)).length, 32);
});

test("what is outside of the flow is refused, and no connection is made for it", async (t) => {
  const control = async (tries: Tries): Promise<void> => {
    assert.match(await tries.at(5), broke, "the control: the flow itself goes on");
  };
  await using server = await brokenServer();
  await t.test("one request more than it has", async () => {
    const tries = new Tries(server.url, { requests: 2 });
    await tries.at(0);
    await control(tries);
    assert.match(await tries.at(10), refused("the flow has no requests left"));
  });
  await t.test("another URL, method, body or header", async () => {
    const tries = new Tries(server.url);
    await tries.at(0);
    const before = server.ranges.length;
    for (const change of [
      { url: server.url.replace("page", "other") },
      { url: "http://127.0.0.2/page" },
      { method: "HEAD" },
      { method: "POST" },
      { body: Buffer.from("x") },
      { headers: [{ name: "range", value: "bytes=0-" }] },
    ]) {
      const answer = await tries.at(5, change as Partial<pb.FetchRequest>);
      assert.match(answer, /^E_EGRESS_REQUEST/, JSON.stringify(Object.keys(change)));
    }
    assert.equal(server.ranges.length, before);
    await control(tries);
  });
  await t.test("after its time, by the clock", async () => {
    const tries = new Tries(server.url);
    await tries.at(0);
    tries.nowMs = 120_000;
    await control(tries);
    tries.nowMs = 120_001;
    assert.match(await tries.at(10), refused("the flow is too old"));
  });
  await t.test("beyond its bytes, down and up", async () => {
    const tries = new Tries(server.url, { bytesDown: 10 });
    await tries.at(0);
    await control(tries);
    assert.match(await tries.at(10), refused("the flow may receive no more"));
    const up = new Tries(server.url, { bytesUp: 1 });
    await up.at(0);
    assert.match(await up.at(5), refused("the flow may send no more"));
  });
  await t.test("inside a request the bytes are cut at the bound", async () => {
    const tries = new Tries(server.url, { bytesDown: 3 });
    assert.equal(await tries.at(0), "whole: 012");
    assert.equal(tries.end?.truncated, true);
  });
  await t.test("from another place, or again from the start", async () => {
    const tries = new Tries(server.url);
    await tries.at(0);
    assert.match(await tries.at(4), refused("the flow goes on at byte 5"));
    assert.match(await tries.at(6), refused("the flow goes on at byte 5"));
    assert.match(await tries.at(0), refused("the ticket was used before"));
    await control(tries);
  });
  await t.test("by another driver", async () => {
    const tries = new Tries(server.url);
    await tries.at(0);
    const other = { ...driver, instanceId: new Uint8Array(16).fill(8) };
    assert.match(await tries.at(5, {}, other), refused("the ticket is for another driver"));
    await control(tries);
  });
  await t.test("a second flow with the same counter, once the answer is whole", async () => {
    const tries = new Tries(server.url);
    for (const offset of [0, 5, 10]) await tries.at(offset);
    assert.equal(await tries.at(15), "whole: fghij");
    for (const offset of [0, 15, 20]) {
      assert.match(await tries.at(offset), refused("the ticket was used before"));
    }
  });
  await t.test("after the session was stopped", async () => {
    const tries = new Tries(server.url);
    await tries.at(0);
    await control(tries);
    tries.world.egress.cut(driver.session);
    assert.match(await tries.at(10), refused("the ticket was used before"));
  });
  await t.test("a ticket without a flow, or a flow that nothing began", async () => {
    const tries = new Tries(server.url, "none");
    await tries.at(0);
    assert.match(await tries.at(5), refused("the ticket was used before"));
    assert.match(await new Tries(server.url).at(5), refused("the ticket was used before"));
  });
});

test("an answer without a strong tag does not go on; one that changed is none", async () => {
  for (const tag of ["", 'W/"v1"', "v1", '"a"b"']) {
    await using server = await brokenServer({ tag });
    const tries = new Tries(server.url);
    assert.match(await tries.at(0), broke);
    assert.match(await tries.at(5), refused("the answer has no tag"), tag);
  }
  await using changed = await brokenServer({ ignoresRange: true });
  const tries = new Tries(changed.url);
  await tries.at(0);
  assert.match(await tries.at(5), /^E_EGRESS_RESPONSE: the server does not go on/);
});
