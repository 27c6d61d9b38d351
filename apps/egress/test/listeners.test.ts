/** A model of this machine is asked only where the program listens that a person confirmed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Listener } from "../src/listeners.ts";
import { codeOf, fetchWith, ok, rawServer, requestOf, worldOf } from "./support.ts";

const ollama: Listener = { uid: 1000, program: "/usr/bin/ollama" };

const asked = async (
  confirmed: Listener | undefined,
  listens: Listener | undefined,
  took: readonly (Listener | "waiting" | undefined)[] = [],
): Promise<readonly [code: string, connections: number, received: number]> => {
  await using server = await rawServer((socket) => {
    socket.end(ok("hello"));
  });
  const world = worldOf({
    classes: ["loopback"],
    ...(confirmed === undefined ? {} : { confirmed }),
    ...(listens === undefined ? {} : { listens }),
    took,
  });
  const url = `http://127.0.0.1:${server.port}/v1`;
  const code = await codeOf(fetchWith(world, requestOf({ url })));
  return [code, server.connections, server.received === "" ? 0 : 1];
};

describe("the server of a confirmed model", () => {
  it("is asked where it is who was confirmed", async () => {
    assert.deepEqual(await asked(ollama, ollama), ["ok", 1, 1]);
  });
  it("is asked by its owner alone where its program could not be seen", async () => {
    assert.deepEqual(await asked({ uid: 1000, program: "" }, ollama), ["ok", 1, 1]);
  });
  const others: readonly (readonly [string, Listener])[] = [
    ["another program", { ...ollama, program: "/tmp/ollama" }],
    ["another user", { ...ollama, uid: 1001 }],
    ["a program that cannot be seen", { ...ollama, program: "" }],
  ];
  for (const [name, listens] of others) {
    it(`${name}: nothing is sent, no connection is made`, async () => {
      assert.deepEqual(await asked(ollama, listens), ["E_EGRESS_LISTENER", 0, 0]);
    });
  }
  for (const [name, took] of others) {
    it(`${name} takes the connection: no byte of the request goes`, async () => {
      assert.deepEqual(await asked(ollama, ollama, [took]), ["E_EGRESS_LISTENER", 1, 0]);
    });
  }
  it("is waited for where it is busy, and then asked", async () => {
    const busy = ["waiting", "waiting", ollama] as const;
    assert.deepEqual(await asked(ollama, ollama, busy), ["ok", 1, 1]);
    assert.deepEqual(await asked(ollama, ollama, ["waiting", { ...ollama, program: "/tmp/x" }]), [
      "E_EGRESS_LISTENER",
      1,
      0,
    ]);
  });
  it("whose connection is gone gets nothing", async () => {
    assert.deepEqual(await asked(ollama, ollama, [undefined]), ["E_EGRESS_CONNECT", 1, 0]);
  });
  it("nobody listens: said so", async () => {
    assert.deepEqual(await asked(ollama, undefined), ["E_EGRESS_CONNECT", 0, 0]);
  });
  it("the control: without a confirmed owner whoever listens is asked", async () => {
    assert.deepEqual(await asked(undefined, { uid: 1, program: "/tmp/x" }), ["ok", 1, 1]);
  });
});
