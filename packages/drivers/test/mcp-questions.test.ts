/** What a gate asks its client: who can be asked, what counts as the answer, what comes again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8Decode, utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { type AskedClient, ClientAsking } from "../src/mcp/client-asking.ts";
import { McpRelay } from "../src/mcp/relay.ts";

const encode = (value: unknown): Uint8Array => utf8Encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): Record<string, unknown> =>
  JSON.parse(utf8Decode(bytes) ?? "") as Record<string, unknown>;

const request = (id: unknown, method: string, params: object = {}): object => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});
const call = (id: unknown, params: object = {}): object =>
  request(id, "tools/call", { name: "echo", arguments: { a: 1 }, ...params });

interface Stand {
  readonly relay: McpRelay;
  readonly asking: ClientAsking;
  /** Of ours, to the client. */
  readonly said: Record<string, unknown>[];
  /** As a relay's session does. */
  readonly client: (value: object) => boolean;
  /** Messages of the relay since the last look. */
  readonly moved: () => readonly (readonly [string, Record<string, unknown>])[];
}

const stand = (capabilities: object): Stand => {
  const relay = new McpRelay({ provider: nodeCrypto, identity: new Uint8Array(32) });
  const said: Record<string, unknown>[] = [];
  const asking = new ClientAsking(relay, (bytes) => said.push(decode(bytes)));
  const client = (value: object): boolean => {
    const bytes = encode(value);
    const ours = asking.isAnswer(bytes);
    if (!ours) relay.fromClient(bytes);
    return ours;
  };
  const moved: Stand["moved"] = () =>
    relay
      .take()
      .flatMap((effect) =>
        effect.type === "to-client" || effect.type === "to-server"
          ? [[effect.type, decode(effect.bytes)] as const]
          : [],
      );
  const params = { protocolVersion: "2025-11-25", capabilities, clientInfo: { name: "claude" } };
  client(request(0, "initialize", params));
  client(request(1, "tools/list"));
  relay.fromServer(encode({ jsonrpc: "2.0", id: 1, result: { tools: [{ name: "echo" }] } }));
  relay.offer(1, new Set());
  moved();
  return { relay, asking, said, client, moved };
};

const meta = (elicitation: object | undefined): object => ({
  _meta: {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": elicitation === undefined ? {} : { elicitation },
  },
});

const answers = [
  [{ action: "accept", content: {} }, "accept"],
  [{ action: "decline" }, "decline"],
  [{ action: "cancel" }, "cancel"],
  [{ action: "ACCEPT" }, "cancel"],
  [{}, "cancel"],
] as const;

test("a client that shows forms is asked, and its answer is one of three words", async () => {
  for (const [result, expected] of answers) {
    const { asking, said, client, moved } = stand({ elicitation: {} });
    client(call(2));
    const asked = asking.ask(1, "May it?");
    const [question] = said;
    assert.equal(question?.["method"], "elicitation/create");
    assert.equal(client({ jsonrpc: "2.0", id: question?.["id"], result }), true);
    assert.deepEqual(await asked, { answer: expected, client: "claude" } satisfies AskedClient);
    // The server hears neither the question nor the answer.
    assert.deepEqual(moved(), []);
  }
  const { asking, said, client } = stand({ elicitation: { form: {}, url: {} } });
  client(call(2));
  const asked = asking.ask(1, "May it?");
  client({ jsonrpc: "2.0", id: said[0]?.["id"], error: { code: -1, message: "no" } });
  assert.equal((await asked).answer, "cancel");
});

test("who cannot be asked is not asked", async () => {
  for (const capabilities of [{}, { elicitation: { url: {} } }, { elicitation: true }]) {
    const { asking, said, client } = stand(capabilities);
    client(call(2));
    assert.equal((await asking.ask(1, "May it?")).answer, "none");
    assert.equal((await asking.ask(99, "May it?")).answer, "none");
    assert.deepEqual(said, []);
  }
  const { asking, said, client } = stand({ elicitation: {} });
  client(call(2, meta(undefined)));
  assert.equal((await asking.ask(1, "May it?")).answer, "none");
  assert.deepEqual(said, []);
});

test("an answer to nothing, a second one and a late one change nothing", async () => {
  const { asking, said, client, relay } = stand({ elicitation: {} });
  const accept = (id: unknown): boolean =>
    client({ jsonrpc: "2.0", id, result: { action: "accept" } });
  assert.equal(accept("ioi/ask-1"), true);
  client(call(2));
  const asked = asking.ask(1, "May it?");
  assert.equal((await asking.ask(1, "Again?")).answer, "none");
  asking.end(1);
  assert.equal((await asked).answer, "late");
  assert.equal(said.at(-1)?.["method"], "notifications/cancelled");
  assert.equal(accept(said[0]?.["id"]), true);
  // What was asked about waits as before, for whoever decides.
  assert.equal(relay.permit(1), true);
});

test("a server cannot ask under our ids", () => {
  const { relay, moved } = stand({ elicitation: {} });
  relay.fromServer(encode(request("ioi/ask-1", "ping")));
  assert.deepEqual(moved(), []);
});

test("without sessions the same call comes again, and goes on under its new id", async () => {
  const { asking, said, client, relay, moved } = stand({});
  const own = { requestState: "the server's" };
  client(call("a", { ...meta({}), ...own }));
  const asked = asking.ask(1, "May it?");
  const result = said[0]?.["result"] as Record<string, object>;
  assert.equal(result["resultType"], "input_required");
  // Until it comes again nothing goes on, and nobody is told anything.
  assert.equal(relay.permit(1), false);
  const [key = ""] = Object.keys(result["inputRequests"] ?? {});
  const answer = {
    requestState: result["requestState"],
    inputResponses: { [key]: { action: "accept" } },
  };
  assert.equal(client(call("b", { ...meta({}), ...answer })), true);
  assert.equal((await asked).answer, "accept");
  assert.equal(relay.permit(1), true);
  assert.deepEqual(moved(), [["to-server", call("b", { ...meta({}), ...own })]]);
  // Once.
  client(call("c", { ...meta({}), ...answer }));
  assert.match(JSON.stringify(said.at(-1)), /nobody waits/);
});

test("another call is not what was asked about, and a refusal after the question is silent", () => {
  const { asking, said, client, relay, moved } = stand({});
  client(call("a", meta({})));
  void asking.ask(1, "May it?");
  const { requestState } = (said[0]?.["result"] ?? {}) as { readonly requestState?: string };
  client(call("b", { ...meta({}), arguments: { a: 2 }, requestState }));
  assert.match(JSON.stringify(said.at(-1)), /not the call/);
  assert.equal(relay.refuse(1, "No."), true);
  assert.deepEqual(moved(), []);
  asking.endAll();
});
