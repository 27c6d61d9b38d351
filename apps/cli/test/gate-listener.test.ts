/** A gate that listens: whom it ends when one more client comes than it takes. */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { utf8Encode } from "@ioi/base";
import type { ClientGate } from "../src/commands/mcp/client-gate.ts";
import { GateListener, type ListenerOptions } from "../src/commands/mcp/listen/listener.ts";
import { listenIdleMs, listenSessionsMax } from "../src/limits.ts";

const token = "t".repeat(43);

/** Answers every request with nothing in particular. */
const openings = (closed: number[]): ListenerOptions["open"] => {
  let count = 0;
  return async ({ message }) => {
    const n = ++count;
    const gate: Pick<ClientGate, "send" | "close"> = {
      send: async (bytes) => {
        const { id } = JSON.parse(new TextDecoder().decode(bytes)) as { readonly id: number };
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
