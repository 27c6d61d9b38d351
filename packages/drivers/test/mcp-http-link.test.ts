/** One message to a server over HTTP: what its answer's end says, and what it does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError, utf8Encode } from "@ioi/base";
import type { Client } from "@ioi/host/rpc";
import type { McpServer, pb } from "@ioi/wire";
import type { ActContext } from "../src/core/driver.ts";
import { openHttpServer } from "../src/mcp/http-link.ts";
import type { Exchange } from "../src/mcp/server-link.ts";

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
    const end = { bytesUp: 1n, bytesDown: 1n, certificateSha256: new Uint8Array(0) };
    yield { event: { case: "end", value: end } };
  }
  const link = openHttpServer(
    server,
    { fetch } as unknown as Client<typeof pb.Egress>,
    {
      message,
      fault: assert.fail,
      ended: assert.fail,
      request: () => assert.fail("nothing says what to go on by"),
    },
    false,
  );
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
