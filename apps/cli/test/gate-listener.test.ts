/** A gate that listens: whom it ends when one more client comes than it takes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { mock, test } from "node:test";
import { utf8Encode } from "@ioi/base";
import type { ClientGate } from "../src/commands/mcp/client-gate.ts";
import { GateListener, type ListenerOptions } from "../src/commands/mcp/listen/listener.ts";
import { listenIdleMs, listenLeftMs, listenLostMs, listenSessionsMax } from "../src/limits.ts";

const token = "t".repeat(43);

/** Answers every request but one with nothing in particular. */
const openings = (closed: number[]): ListenerOptions["open"] => {
  let count = 0;
  return async ({ message }) => {
    const n = ++count;
    const gate: Pick<ClientGate, "send" | "close"> = {
      send: async (bytes) => {
        const { id, method } = JSON.parse(new TextDecoder().decode(bytes)) as {
          readonly id: number;
          readonly method: string;
        };
        if (method === "hang") return;
        message(utf8Encode(JSON.stringify({ jsonrpc: "2.0", id, result: {} })));
      },
      close: async () => void closed.push(n),
    };
    return gate as ClientGate;
  };
};

test("a full gate ends the client that was silent longest, and nobody who spoke just now", async () => {
  const closed: number[] = [];
  const listener = new GateListener({ port: 0, token, open: openings(closed) });
  await listener.start();
  let nowMs = 1_000_000;
  const clock = mock.method(performance, "now", () => nowMs);
  const say = async (method: string, session?: string): Promise<Response> =>
    await fetch(`http://127.0.0.1:${listener.port}/mcp`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(session === undefined ? {} : { "mcp-session-id": session }),
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: {} }),
    });
  const open = async (): Promise<string> => {
    const response = await say("initialize");
    await response.text();
    return response.status === 200 ? (response.headers.get("mcp-session-id") ?? "") : "";
  };
  try {
    const sessions: string[] = [];
    for (let n = 0; n < listenSessionsMax; n++, nowMs++) sessions.push(await open());
    assert.equal(await open(), "");
    assert.deepEqual(closed, []);
    nowMs += listenIdleMs;
    // The first has just spoken again: the second is the one that was silent longest.
    assert.equal((await (await say("ping", sessions[0])).text()).includes("result"), true);
    assert.notEqual(await open(), "");
    assert.deepEqual(closed, [2]);
    assert.equal((await say("ping", sessions[1])).status, 404);
    assert.equal((await say("ping", sessions[0])).status, 200);
  } finally {
    clock.mock.restore();
    await listener.close();
  }
});

/** A client each of whose requests has a connection of its own, which it can cut. */
class Client {
  readonly #port: number;
  #session: string | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  send(method: string, body?: object, authorized = true): http.ClientRequest {
    const request = http.request({
      host: "127.0.0.1",
      port: this.#port,
      path: "/mcp",
      method,
      agent: false,
      headers: {
        ...(authorized ? { authorization: `Bearer ${token}` } : {}),
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(this.#session === undefined ? {} : { "mcp-session-id": this.#session }),
      },
    });
    request.end(body === undefined ? undefined : JSON.stringify(body));
    return request;
  }

  /** Until its answer has begun. */
  async ask(...given: Parameters<Client["send"]>): Promise<http.IncomingMessage> {
    const [response] = (await once(this.send(...given), "response")) as [http.IncomingMessage];
    return response;
  }

  /** The status; the connection is gone afterwards. */
  async say(method: string): Promise<number> {
    const response = await this.ask("POST", { jsonrpc: "2.0", id: 1, method, params: {} });
    const session = response.headers["mcp-session-id"];
    if (typeof session === "string") this.#session = session;
    await response.resume().toArray();
    await this.settled();
    return response.statusCode ?? 0;
  }

  /** Ends a connection, and comes back once the gate has heard of it. */
  async cut(connection: http.IncomingMessage | http.ClientRequest): Promise<void> {
    connection.on("error", () => undefined).destroy();
    await this.settled();
  }

  /** What was said before on other connections has been heard when these are answered. */
  async settled(): Promise<void> {
    for (let n = 0; n < 3; n++) {
      const refused = await this.ask("GET", undefined, false);
      assert.equal(refused.statusCode, 401);
      await refused.resume().toArray();
    }
  }
}

test("who left without a word makes room soon, who may come again later, who is there never", async () => {
  const closed: number[] = [];
  const listener = new GateListener({ port: 0, token, open: openings(closed) });
  await listener.start();
  let nowMs = 1_000_000;
  const clock = mock.method(performance, "now", () => nowMs);
  const open = async (): Promise<Client | undefined> => {
    const client = new Client(listener.port);
    return (await client.say("initialize")) === 200 ? client : undefined;
  };
  try {
    const clients: Client[] = [];
    for (let n = 0; n < listenSessionsMax; n++) {
      const client = await open();
      assert.ok(client !== undefined);
      clients.push(client);
    }
    const [left, waits, ...there] = clients as [Client, Client, ...Client[]];
    const streams = await Promise.all(there.map((client) => client.ask("GET")));
    const own = await left.ask("GET");
    const lost = waits.send("POST", { jsonrpc: "2.0", id: 2, method: "hang", params: {} });
    const kept = await waits.ask("GET");
    nowMs += listenLostMs;
    assert.equal(await open(), undefined, "each has a stream of its own");
    await left.cut(own);
    await waits.cut(kept);
    await waits.cut(lost);
    nowMs += listenLeftMs - 1;
    assert.equal(await open(), undefined, "it may come again");
    nowMs += 1;
    assert.notEqual(await open(), undefined);
    assert.deepEqual(closed, [1]);
    nowMs += listenIdleMs - 1;
    assert.equal(await open(), undefined, "who never had a stream may be there without one");
    nowMs += 1;
    assert.notEqual(await open(), undefined);
    assert.deepEqual(closed, [1, listenSessionsMax + 1]);
    nowMs += listenLostMs - listenIdleMs - listenLeftMs - 1;
    const last = await open();
    assert.deepEqual(closed.slice(2), [listenSessionsMax + 2], "an answer is kept for longer");
    await last?.ask("GET");
    nowMs += 1;
    assert.notEqual(await open(), undefined);
    assert.deepEqual(closed.slice(3), [2]);
    for (const stream of streams) assert.equal(stream.destroyed, false);
  } finally {
    clock.mock.restore();
    await listener.close();
  }
});
