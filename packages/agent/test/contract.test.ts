/** The lines of `ioi/agent/1`: what a program is told, and what counts as an answer. */
import assert from "node:assert/strict";
import test from "node:test";
import { utf8Encode } from "@ioi/base";
import {
  contentLine,
  type Look,
  lookAt,
  observeLine,
  readAgentLine,
  startLine,
} from "../src/index.ts";
import { allowed, begun, refused } from "./support.ts";

const folder = {
  path: "/agents/x",
  name: "x",
  version: "1",
  tools: ["fs::read", "fs::write", "model::infer"],
  stepMs: 1000,
};
const goal = { text: "the goal", kind: "folder", earlier: [], lost: [] } as const;

const session = () => begun("", { goal, folder });

const parsed = (line: string | undefined): Record<string, unknown> => {
  assert.ok(line?.endsWith("\n") === true && line.indexOf("\n") === line.length - 1, "one line");
  return JSON.parse(line) as Record<string, unknown>;
};

test("the first line holds the goal and the tools that were wanted", () => {
  const start = parsed(startLine(lookAt(session().machine.state)));
  assert.equal(start["protocol"], "ioi/agent/1");
  assert.equal(start["goal"], "the goal");
  const tools = start["tools"] as { readonly target: string; readonly schema: unknown }[];
  assert.deepEqual(
    tools.map(({ target }) => target),
    ["fs::read", "fs::write", "model::infer"],
  );
});

const told = (run: ReturnType<typeof session>, look: Look = lookAt(run.machine.state)) => {
  const { observation, messages, turn } = run.effect("ask-agent");
  return parsed(observeLine(turn, { observation, messages }, look));
};

const propose = (run: ReturnType<typeof session>) =>
  run.give({
    type: "step",
    call: run.call,
    step: { type: "propose", target: "fs::read", args: { path: "a.txt" } },
  });

test("an outcome comes with its content, how much of it there is, and where it is from", () => {
  const run = propose(session())
    .prepared()
    .verdict(allowed(1n))
    .outcome({ content: "line\n\u2028" });
  run.reported();
  assert.deepEqual(told(run), {
    type: "observe",
    seq: 1,
    observation: {
      type: "outcome",
      action: 1,
      target: "fs::read",
      status: "confirmed",
      undo: "nothing",
      origin: { kind: "file", name: "a.txt" },
      content: "line\n\u2028",
      shown: 8,
      bytes: 8,
    },
    messages: [],
  });
  const denied = propose(session()).prepared().verdict(refused);
  assert.deepEqual(told(denied)["observation"], {
    type: "denied",
    action: 1,
    target: "fs::read",
    reason: "outside the workspace",
    instead: "paths below /w",
  });
});

test("content behind a handle is asked for, and read in pieces", () => {
  const run = propose(session()).prepared().verdict(allowed(1n));
  const { content: _, ...behind } = { content: "", handle: "contents/s-1/1" };
  run.outcome({ ...behind, content: undefined as unknown as string }).reported();
  const { observation, messages } = run.effect("ask-agent");
  const away = lookAt(run.machine.state, () => undefined);
  assert.equal(observeLine(1, { observation, messages }, away), undefined);
  const bytes = utf8Encode("0123456789");
  const near = lookAt(run.machine.state, ({ offset, length }) => ({
    bytes: bytes.subarray(offset, offset + length),
    total: bytes.length,
  }));
  assert.equal(told(run, near)["observation"] !== undefined, true);
  const stretch = { n: 1, offset: 4, length: 3 };
  assert.deepEqual(parsed(contentLine(1, stretch, near.piece(stretch))), {
    type: "content",
    seq: 1,
    action: 1,
    offset: 4,
    content: "456",
    shown: 3,
    bytes: 10,
  });
  assert.equal(parsed(contentLine(1, stretch, "none"))["content"], null);
});

test("steps are read as they are meant", () => {
  const read = (text: string) => {
    const reply = readAgentLine(text, 3);
    return reply.ok ? reply.value : reply.error;
  };
  assert.deepEqual(
    read(
      '{"seq":3,"type":"propose","target":"fs::write","args":{"path":"a","create":"any","content":"é"}}',
    ),
    {
      type: "propose",
      target: "fs::write",
      args: Object.assign(Object.create(null), { path: "a", create: "any" }),
      content: utf8Encode("é"),
    },
  );
  assert.deepEqual(read('{"type":"say","seq":3,"text":"hm"}'), { type: "say", text: "hm" });
  assert.deepEqual(read('{"type":"finish","seq":3,"status":"done"}'), {
    type: "finish",
    status: "done",
  });
  assert.deepEqual(read('{"type":"finish","seq":3,"status":"failed","message":"no"}'), {
    type: "finish",
    status: "failed",
    code: "E_AGENT_GAVE_UP",
    message: "no",
  });
  assert.deepEqual(read('{"type":"read","seq":3,"action":1,"offset":0,"length":99999999}'), {
    type: "read",
    stretches: [{ n: 1, offset: 0, length: 65_536 }],
  });
});

test("a line that is anything else is no answer; what cannot be written down goes back", () => {
  const no: readonly [string | Uint8Array, RegExp][] = [
    ["", /not JSON/],
    ["[]", /no object/],
    ["null", /no object/],
    ['{"type":"say","seq":3,"text":"a"} {"type":"say"}', /not JSON/],
    ['{"type":"say","seq":3,"text":"a","text":"b"}', /not JSON/],
    ['{"type":"say","seq":4,"text":"a"}', /seq is not 3/],
    ['{"type":"say","text":"a"}', /seq is not 3/],
    ['{"type":"say","seq":"3","text":"a"}', /seq is not 3/],
    ['{"type":"say","seq":3,"text":1}', /text/],
    ['{"type":"say","seq":3,"text":"\\ud800"}', /not JSON/],
    ['{"type":"outcome","seq":3,"status":"confirmed"}', /type is none/],
    ['{"type":"constructor","seq":3}', /type is none/],
    ['{"type":"propose","seq":3,"target":"fs::read","args":{},"ticket":"x"}', /no field ticket/],
    ['{"type":"propose","seq":3,"target":"fs::read"}', /args is no object/],
    ['{"type":"propose","seq":3,"target":7,"args":{}}', /target/],
    [`{"type":"propose","seq":3,"target":"${"x".repeat(65)}","args":{}}`, /target/],
    ['{"type":"finish","seq":3,"status":"won"}', /status/],
    ['{"type":"read","seq":3,"action":-1,"offset":0}', /integers/],
    ['{"type":"read","seq":3,"action":1.5,"offset":0}', /integers/],
    [`{"type":"propose","seq":3,"target":"fs::read","args":${"[".repeat(200)}`, /not JSON/],
    [new Uint8Array([0xff, 0xfe]), /not JSON/],
  ];
  for (const [line, pattern] of no) {
    const reply = readAgentLine(line, 3);
    assert.ok(!reply.ok, String(line).slice(0, 80));
    assert.match(reply.error, pattern, String(line).slice(0, 80));
  }
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`a${at}`, 1]));
  const tooMany = JSON.stringify({ type: "propose", seq: 3, target: "fs::read", args: many });
  assert.ok(!readAgentLine(tooMany, 3).ok);
  for (const args of [
    '{"path":1.5}',
    '{"path":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}}}',
  ]) {
    const reply = readAgentLine(`{"type":"propose","seq":3,"target":"fs::read","args":${args}}`, 3);
    assert.equal(reply.ok && reply.value.type, "invalid", args);
  }
});

test("what could not be written down counts as an invalid call", () => {
  const run = session();
  for (let i = 0; i < 3; i++) {
    run.give({ type: "step", call: run.call, step: { type: "invalid", message: "a fraction" } });
    assert.equal(run.effect("ask-agent").observation.type, "invalid");
  }
  run.give({ type: "step", call: run.call, step: { type: "invalid", message: "a fraction" } });
  run.closed();
  assert.equal(run.view().error?.code, "E_AGENT_INVALID_CALLS");
});

test("a tool that the folder did not ask for is not its own, nor is the model's", () => {
  for (const target of ["fs::list", "model::infer"]) {
    const run = session();
    const args = target === "fs::list" ? { path: "." } : { model: "m", max_tokens: 1 };
    const content = target === "fs::list" ? {} : { content: utf8Encode("{}") };
    const step = { type: "propose", target, args, ...content } as const;
    run.give({ type: "step", call: run.call, step });
    assert.equal(run.effect("ask-agent").observation.type, "invalid", target);
  }
});
