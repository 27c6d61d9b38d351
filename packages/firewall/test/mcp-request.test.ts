/** The one request of a message to an MCP server over HTTP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "@ioi/wire";
import { permittedRequest } from "../src/net/request.ts";

const action = (facts: Action["facts"]): Action => ({
  version: 1,
  target: "mcp::call",
  args: { server: "s", tool: "t", arguments: { url: "https://evil.example/" } },
  facts,
});

test("its address is what the driver found, never an argument", () => {
  const url = "https://mcp.example.com/mcp";
  const made = permittedRequest(action({ server: { realPath: url, exists: true } }));
  assert.ok(made.ok);
  assert.deepEqual([made.value.method, made.value.url.text], ["POST", url]);
  assert.equal(made.value.body.type, "made");
  for (const facts of [
    {},
    { server: { realPath: "/etc/passwd", exists: true } },
    { server: { realPath: "https://u@x.example/", exists: true } },
    { url: { realPath: url, exists: true } },
  ]) {
    assert.equal(permittedRequest(action(facts)).ok, false);
  }
});
