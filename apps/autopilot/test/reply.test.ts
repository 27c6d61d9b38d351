import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseReply } from "../src/pure/reply.ts";

test("a model's answer is read, and nothing else is taken for one", () => {
  const reply = {
    text: "Reading.",
    calls: [{ id: "c1", name: "fs_read", arguments: '{"path":"a"}' }],
    finish: "calls",
    usage: { input: 1, output: 2, cached: 0 },
  };
  assert.deepEqual(parseReply(JSON.stringify(reply)), {
    text: "Reading.",
    calls: [{ name: "fs_read", arguments: '{"path":"a"}' }],
    finish: "calls",
  });
  for (const other of ["", "{", "null", "[]", '{"text":1,"calls":[]}', '{"text":"x"}']) {
    assert.equal(parseReply(other), undefined, other);
  }
  fc.assert(
    fc.property(fc.jsonValue(), (calls) => {
      parseReply(JSON.stringify({ text: "", calls: [calls, calls] }));
      parseReply(JSON.stringify(calls));
    }),
  );
});
