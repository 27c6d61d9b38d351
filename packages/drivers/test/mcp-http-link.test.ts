/** One message to a server over HTTP: what its answer's end says, and what it does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addMs, msBetween, OperationError, utf8Encode } from "@ioi/base";
import type { Client } from "@ioi/host/rpc";
import { settle, SimClock } from "@ioi/sim";
import { messageComplaint } from "@ioi/firewall/net";
import type { McpServer, pb } from "@ioi/wire";
import type { ActContext } from "../src/core/driver.ts";
import { openHttpServer } from "../src/mcp/http-link.ts";
import type { Exchange } from "../src/mcp/server-link.ts";
import { transportAction } from "../src/mcp/server-start.ts";

const server: McpServer = {
  name: "far",
  argv: [],
  env: {},
  cwd: "",
  url: "https://far.example/mcp",
  files: [],
  roots: [],
  identity: new Uint8Array(32),
};

const answer = 'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n';

/** Sends one call; the body is `pieces`, and then its end, or `breaks`. */
const exchanged = async (
  pieces: readonly Uint8Array[],
  breaks?: Error,
  message: () => void = () => undefined,
): Promise<Exchange> => {
  async function* fetch() {
    const headers = [{ name: "content-type", value: "text/event-stream" }];
    yield { event: { case: "head", value: { status: 200, headers } } };
    for (const value of pieces) yield { event: { case: "body", value } };
    if (breaks !== undefined) throw breaks;
    const end = { bytesUp: 1n, bytesDown: 1n, requests: 0, certificateSha256: new Uint8Array(0) };
    yield { event: { case: "end", value: end } };
  }
  const link = openHttpServer({
    server,
    egress: { fetch } as unknown as Client<typeof pb.Egress>,
    clock: new SimClock(),
    events: {
      message,
      fault: assert.fail,
      ended: assert.fail,
      request: () => assert.fail("nothing says what to go on by"),
    },
    listens: false,
  });
  const { signal } = new AbortController();
  const call = utf8Encode('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}');
  assert.ok(link.exchange !== undefined);
  return await link.exchange(call, { signal } as ActContext);
};

test("an answer that broke off, with nothing to go on by, is not an answer", async () => {
  assert.equal((await exchanged([utf8Encode(answer)])).answered, true, "the control");
  for (const code of ["E_EGRESS_TIMEOUT", "E_EGRESS_RESPONSE"] as const) {
    const breaks = new OperationError(code, "broke off");
    await assert.rejects(exchanged([utf8Encode(answer.slice(0, 20))], breaks), { code });
    const late = await exchanged([utf8Encode(answer)], breaks);
    assert.equal(late.answered, true, "what came before the break counts");
  }
});

test("a stream that is no UTF-8 breaks the protocol; a failure of ours is ours", async () => {
  await assert.rejects(exchanged([Uint8Array.of(0xff)]), { code: "E_MCP_PROTOCOL" });
  const bug = (): void => {
    throw new TypeError("a bug");
  };
  await assert.rejects(exchanged([utf8Encode(answer)], undefined, bug), TypeError);
});

/** A server that is listened to: how long each of its streams lives, and what it says on it. */
interface Listened {
  readonly livesMs: number;
  readonly says?: string;
}

/** The waits between the end of one stream and the asking for the next, in virtual time. */
const waitsOf = async (streams: readonly Listened[]): Promise<readonly number[]> => {
  const clock = new SimClock();
  const { signal } = new AbortController();
  const waits: number[] = [];
  let asked = 0;
  let endedAt = clock.now();
  async function* fetch({ method }: pb.FetchRequest) {
    const type = { name: "content-type", value: "text/event-stream" };
    const end = { bytesUp: 1n, bytesDown: 1n, requests: 0, certificateSha256: new Uint8Array(0) };
    if (method === "GET") {
      const stream = streams[asked];
      if (asked++ > 0) waits.push(msBetween(endedAt, clock.now()));
      const status = stream === undefined ? 405 : 200;
      yield { event: { case: "head", value: { status, headers: [type] } } };
      const { livesMs, says } = stream ?? { livesMs: 0 };
      if (says !== undefined) yield { event: { case: "body", value: utf8Encode(says) } };
      await clock.sleepUntil(addMs(clock.now(), livesMs), signal);
      endedAt = clock.now();
    } else yield { event: { case: "head", value: { status: 202, headers: [] } } };
    yield { event: { case: "end", value: end } };
  }
  const link = openHttpServer({
    server,
    egress: { fetch } as unknown as Client<typeof pb.Egress>,
    clock,
    events: {
      message: () => undefined,
      fault: assert.fail,
      ended: () => undefined,
      request: (_tool, perform) => perform({ signal } as ActContext),
    },
    listens: true,
  });
  const ready = utf8Encode('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  await link.exchange?.(ready, { signal } as ActContext);
  for (let turn = 0; turn < 100 && asked <= streams.length; turn++) {
    await settle();
    await clock.advanceTo(clock.next() ?? clock.now());
  }
  await link.close();
  return waits;
};

test("a stream that ends at once is asked for less and less often, as far as a bound", async () => {
  const waits = await waitsOf(Array.from({ length: 12 }, () => ({ livesMs: 0, says: ":\n\n" })));
  assert.deepEqual(
    waits,
    [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000],
  );
});

test("a stream that lived is asked for again as the first was; what it said makes no life", async () => {
  const brief = { livesMs: 10, says: "id: 1\ndata: \n\n" };
  const lived = { livesMs: 60_000 };
  const almost = { livesMs: 59_999 };
  const waits = await waitsOf([brief, brief, brief, lived, brief, almost, brief]);
  assert.deepEqual(waits, [500, 1_000, 2_000, 500, 1_000, 2_000, 4_000]);
});

test("a server says how long to wait, within the bounds", async () => {
  const said = (ms: string): Listened => ({ livesMs: 0, says: `retry: ${ms}\n\n` });
  assert.deepEqual(
    await waitsOf([said("3000"), said("3000"), said("3000"), said("3000")]),
    [3_000, 3_000, 3_000, 4_000],
  );
  assert.deepEqual(
    await waitsOf([said("0"), said("999999999"), said("10")]),
    [500, 300_000, 2_000],
  );
});

/** One message whose answer is a redirect; where it is sent on, and with what. */
const sentOn = async (location: string, address?: string) => {
  const asked: pb.FetchRequest[] = [];
  async function* fetch(request: pb.FetchRequest) {
    asked.push(request);
    const headers = [
      { name: "location", value: location },
      { name: "mcp-session-id", value: "of-a-redirect" },
    ];
    yield { event: { case: "head", value: { status: 307, headers } } };
    const end = { bytesUp: 1n, bytesDown: 1n, requests: 0, certificateSha256: new Uint8Array(0) };
    yield { event: { case: "end", value: end } };
  }
  const link = openHttpServer({
    server,
    egress: { fetch } as unknown as Client<typeof pb.Egress>,
    clock: new SimClock(),
    events: {
      message: () => assert.fail("a redirect holds no message"),
      fault: assert.fail,
      ended: assert.fail,
      request: () => assert.fail("nothing else is asked for"),
    },
    listens: true,
  });
  const { signal } = new AbortController();
  const ready = utf8Encode('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  assert.ok(link.exchange !== undefined);
  const exchange = await link.exchange(ready, { signal } as ActContext, address);
  // Nothing that came with the redirect goes into the next message.
  await link.exchange(ready, { signal } as ActContext, address);
  return { exchange, asked };
};

test("a redirect on the origin is told, and nothing is taken from it; it is followed once", async () => {
  const { exchange, asked } = await sentOn("/mcp/");
  const { answered, moved, evidence } = exchange;
  assert.deepEqual(
    [answered, moved, evidence["status"], evidence["location"]],
    [false, "https://far.example/mcp/", "307", "https://far.example/mcp/"],
  );
  assert.deepEqual(
    asked.map(({ url, headers }) => [url, headers.some(({ name }) => name === "mcp-session-id")]),
    [
      ["https://far.example/mcp", false],
      ["https://far.example/mcp", false],
    ],
  );
  await assert.rejects(sentOn("/mcp/three", "https://far.example/mcp/"), {
    code: "E_MCP_HTTP",
    message: /sends a message on twice; its address is now https:\/\/far\.example\/mcp\/three$/,
  });
});

test("a redirect to another origin says what a person can do, in text that a shell takes as it is", async () => {
  const to = "https://evil.example/it's/$(x)?token=1";
  await assert.rejects(sentOn(to), {
    code: "E_MCP_HTTP",
    message:
      "far answers 307: it points to https://evil.example/it%27s/$(x), which is another server; " +
      "a person confirms it: ./ioi mcp add OTHER --url 'https://evil.example/it%27s/$(x)', " +
      "or in its place: ./ioi mcp add far --replace --url 'https://evil.example/it%27s/$(x)'",
  });
  await assert.rejects(sentOn(`https://evil.example/${"x".repeat(300)}`), {
    message: /points to https:\/\/evil\.example\/, which/,
  });
  await assert.rejects(sentOn("https://u:p@far.example/"), {
    message: /a user or a password|none|no/,
  });
});

test("what a gate posts beside judged calls is what its action names", () => {
  const posted = (message: object): readonly unknown[] => {
    const bytes = utf8Encode(JSON.stringify({ jsonrpc: "2.0", ...message }));
    const args = transportAction(bytes, server);
    const complaint = messageComplaint({ version: 1, target: "mcp::call", args, facts: {} }, bytes);
    return [args.tool, args["arguments"], complaint];
  };
  const params = { taskId: "a", _meta: { x: 1 } };
  const status = { method: "notifications/tasks/status", params };
  const progress = { method: "notifications/progress", params };
  assert.deepEqual(posted(status), [`#${status.method}`, { taskId: "a" }, undefined]);
  assert.deepEqual(posted(progress), [`#${progress.method}`, {}, undefined]);
  assert.deepEqual(posted({ id: 1, method: "ping" }), ["#ping", {}, undefined]);
  assert.deepEqual(posted({ id: 1, result: {} }), ["#answer", {}, undefined]);
  // What cannot be judged names nothing of itself, and stays.
  const odd = posted({ ...status, params: { "a\u0001": 1 } });
  assert.deepEqual(odd, [`#${status.method}`, {}, "its parameters are others"]);
});
