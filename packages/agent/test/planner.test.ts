import assert from "node:assert/strict";
import test from "node:test";
import { utf8Decode } from "@ioi/base";
import fc from "fast-check";
import {
  helpText,
  nearest,
  plan,
  tokenize,
  toolOf,
  toRemember,
  validateCall,
} from "../src/index.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const acts = (text: string): readonly unknown[] => {
  const steps = plan(text);
  assert.ok(steps.ok, JSON.stringify(steps));
  return steps.value.map((step) =>
    step.type === "act"
      ? step.content === undefined
        ? [step.target, step.args]
        : [step.target, step.args, utf8Decode(step.content)]
      : step.type,
  );
};

const refusal = (text: string): unknown => {
  const steps = plan(text);
  assert.ok(!steps.ok, `accepted: ${text}`);
  const { code, message, at } = steps.error;
  return [code, `${at?.line}:${at?.column}`, message];
};

test("every command becomes its action", () => {
  assert.deepEqual(acts("/list"), [["fs::list", { path: "." }]]);
  assert.deepEqual(acts("/list sub"), [["fs::list", { path: "sub" }]]);
  assert.deepEqual(acts("/read a.txt"), [["fs::read", { path: "a.txt" }]]);
  assert.deepEqual(acts("/stat a.txt"), [["fs::stat", { path: "a.txt" }]]);
  assert.deepEqual(acts("/mkdir a"), [["fs::mkdir", { path: "a" }]]);
  assert.deepEqual(acts("/copy a b"), [["fs::copy", { path: "a", to: "b" }]]);
  assert.deepEqual(acts("/move a b"), [["fs::move", { path: "a", to: "b" }]]);
  assert.deepEqual(acts("/delete a"), [["fs::delete", { path: "a" }]]);
  assert.deepEqual(acts("/run ls -l"), [["sys::exec", { argv: ["ls", "-l"] }]]);
  assert.deepEqual(acts("/undo && /help"), ["undo", "help"]);
  assert.deepEqual(acts("/write a.txt two  words"), [
    ["fs::write", { path: "a.txt", create: "any" }, "two words"],
  ]);
});

test("a terminal is opened, typed into line by line, read and closed, by number where there are more", () => {
  const on = (what: string, more: object = {}): readonly unknown[] => [
    "sys::shell",
    { do: what, ...more },
  ];
  assert.deepEqual(acts("/shell open && /shell read && /shell close"), [
    on("open"),
    on("read"),
    on("close"),
  ]);
  assert.deepEqual(acts("/shell type 'ls  -l' && /shell interrupt"), [
    [...on("type"), "ls  -l\n"],
    [...on("type"), "\u0003"],
  ]);
  assert.deepEqual(acts("/shell 2 type make && /shell 2 close"), [
    [...on("type", { shell: 2 }), "make\n"],
    on("close", { shell: 2 }),
  ]);
  assert.deepEqual(acts("/shell 3 open --network"), [on("open", { shell: 3, network: "egress" })]);
  for (const text of [
    "/shell",
    "/shell 2",
    "/shell open '--network'",
    "/shell close --network",
    "/shell type",
    "/shell open x",
    "/shell 'open'",
  ]) {
    const refused = plan(text);
    assert.equal(!refused.ok && refused.error.code, "E_COMMAND_ARGUMENTS", text);
  }
});

test("find takes a name or a text, and a place", () => {
  assert.deepEqual(acts("/find *.txt"), [["fs::search", { path: ".", name: "*.txt" }]]);
  assert.deepEqual(acts("/find '*.txt'"), [["fs::search", { path: ".", text: "*.txt" }]]);
  assert.deepEqual(acts("/find todo in src"), [["fs::search", { path: "src", text: "todo" }]]);
  assert.deepEqual(acts("/find name a in b"), [["fs::search", { path: "b", name: "a" }]]);
  assert.deepEqual(acts("/find text 'a b'"), [["fs::search", { path: ".", text: "a b" }]]);
  assert.deepEqual(acts("/find text"), [["fs::search", { path: ".", text: "text" }]]);
  assert.deepEqual(acts("/find text in src"), [["fs::search", { path: "src", text: "text" }]]);
});

test("nothing is expanded", () => {
  assert.deepEqual(acts('/run sh -c "$X"'), [["sys::exec", { argv: ["sh", "-c", "$X"] }]]);
  assert.deepEqual(acts("/run echo $(id) `id` ~ *.ts {a,b} $HOME"), [
    ["sys::exec", { argv: ["echo", "$(id)", "`id`", "~", "*.ts", "{a,b}", "$HOME"] }],
  ]);
});

test("quotes and backslashes", () => {
  const words = (text: string): unknown => {
    const tokens = tokenize(text);
    assert.ok(tokens.ok);
    return tokens.value.map((token) => (token.type === "word" ? token.text : "&&"));
  };
  assert.deepEqual(words(`a'b c'"d e"f`), ["ab cd ef"]);
  assert.deepEqual(words(`'it''s' "say \\"hi\\"" "\\n\\\\" \\&\\& '' ""`), [
    "its",
    'say "hi"',
    "\\n\\",
    "&&",
    "",
    "",
  ]);
  assert.deepEqual(words("a\\ b c&&d && e"), ["a b", "c", "&&", "d", "&&", "e"]);
  assert.deepEqual(words("'a && b' http://x/?a=1&b=2"), ["a && b", "http://x/?a=1&b=2"]);
});

test("errors name the place and what was meant", () => {
  assert.deepEqual(refusal("/raed a"), [
    "E_COMMAND_UNKNOWN",
    "1:1",
    'unknown command "/raed"; did you mean "/read"?',
  ]);
  assert.deepEqual(refusal("/list && /frobnicate"), [
    "E_COMMAND_UNKNOWN",
    "1:10",
    'unknown command "/frobnicate"',
  ]);
  assert.deepEqual(refusal("/read a\n&& /read 'b"), [
    "E_COMMAND_SYNTAX",
    "2:10",
    "this single quote is never closed",
  ]);
  assert.deepEqual(refusal("/read"), [
    "E_COMMAND_ARGUMENTS",
    "1:1",
    '"/read" does not take these words; usage: /read PATH',
  ]);
  assert.deepEqual(refusal("/read 😀 b c"), [
    "E_COMMAND_ARGUMENTS",
    "1:7",
    '"/read" does not take these words; usage: /read PATH',
  ]);
  assert.deepEqual(refusal("/run ls | wc"), [
    "E_COMMAND_SYNTAX",
    "1:9",
    '"|" is not supported; quote it to mean the character',
  ]);
  assert.deepEqual(refusal("/run a\\"), [
    "E_COMMAND_SYNTAX",
    "1:7",
    "a backslash at the end escapes nothing",
  ]);
  assert.deepEqual(refusal("read a.txt"), [
    "E_MODEL_UNAVAILABLE",
    "1:1",
    'a goal in free words needs a model, and there is none; did you mean "/read"?',
  ]);
  for (const text of ["", "  ", "&&", "/list &&", "&& /list", "/list && && /list"]) {
    assert.equal((refusal(text) as string[])[0], "E_COMMAND_SYNTAX", text);
  }
  assert.equal((refusal("/read \ud800") as string[])[0], "E_COMMAND_SYNTAX");
  assert.equal((refusal(`/write a ${"x".repeat(300_000)}`) as string[])[0], "E_COMMAND_TOO_LARGE");
  assert.equal((refusal("/list && ".repeat(2000) + "/list") as string[])[0], "E_COMMAND_TOO_LARGE");
});

test("commands whose target has no driver say so", () => {
  for (const text of [
    "/open http://localhost",
    "/open http://localhost",
    "/click OK",
    "/type hello there",
  ]) {
    const steps = plan(text);
    assert.ok(steps.ok);
    const [step] = steps.value;
    assert.ok(step?.type === "act");
    const { target, args } = step;
    const call = validateCall(target, args, false);
    assert.equal(call.ok ? "" : call.error.code, "E_TARGET_UNAVAILABLE", text);
  }
});

test("memories are kept as they were typed, and named by their number", () => {
  assert.deepEqual(acts('/remember "a  b" c && /recall a b && /forget 12'), [
    ["memory::remember", {}, "a  b c"],
    ["memory::recall", { query: "a b" }],
    ["memory::forget", { memory: 12 }],
  ]);
  for (const text of [
    "/remember",
    "/recall",
    "/forget",
    "/forget x",
    "/forget 1 2",
    "/forget -1",
  ]) {
    assert.equal(plan(text).ok, false, text);
  }
  const own = toRemember('/read a && /remember "a  b" c').map(utf8Decode);
  assert.deepEqual(own, ["a  b c"]);
  for (const text of ["remember a", "/remember", "please /remember a", "/recall a"]) {
    assert.deepEqual(toRemember(text), [], text);
  }
});

test("a call of a server takes JSON as it stands, or as one word", () => {
  const argsOf = (text: string): unknown => {
    const steps = plan(text);
    const [step] = steps.ok ? steps.value : [];
    return step?.type === "act" ? step.args : steps;
  };
  const wanted = { server: "s", tool: "t.u", arguments: '{"a": "b  c", "n": 1.5}' };
  assert.deepEqual(argsOf(`/call s.t.u {"a": "b  c", "n": 1.5}`), wanted);
  assert.deepEqual(argsOf(`/call s.t.u '{"a": "b  c", "n": 1.5}'`), wanted);
  assert.deepEqual(argsOf("/call s.t"), { server: "s", tool: "t", arguments: "{}" });
  for (const text of ["/call", "/call s", "/call .t {}", "/call s. {}"]) {
    const steps = plan(text);
    assert.equal(steps.ok ? "" : steps.error.code, "E_COMMAND_ARGUMENTS", text);
  }
  for (const given of ["[1]", "{", "3", '{"a":1,"a":2}']) {
    const call = validateCall("mcp::call", { server: "s", tool: "t", arguments: given }, false);
    assert.equal(call.ok ? "" : call.error.code, "E_AGENT_CALL_INVALID", given);
  }
});

/** As fast-check's own "binary", which lists all of them before the first. */
const codePoint = fc
  .nat(0x10ffff)
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCodePoint(code));

test("a plan never throws, and what it accepts has a tool", () => {
  const words = fc.constantFrom(
    ..."/read /write /find /run /list /undo in name text a b 'q' \"d && && \\ | * $X 😀".split(" "),
  );
  const texts = fc.oneof(
    fc.string({ unit: codePoint, maxLength: 200 }),
    fc.array(words, { maxLength: 30 }).map((all) => all.join(" ")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const steps = plan(text);
      if (!steps.ok) return;
      for (const step of steps.value) {
        if (step.type === "act") assert.ok(toolOf(step.target) !== undefined);
      }
    }),
    { numRuns: inner ? 50 : 500 },
  );
});

test("quoting any text gives it back", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 20 })), (argv) => {
      const quoted = argv.map((each) => `'${each.replaceAll("'", `'"'"'`)}'`).join(" ");
      assert.deepEqual(acts(`/run 'p' ${quoted}`), [["sys::exec", { argv: ["p", ...argv] }]]);
    }),
  );
});

test("suggestions are near, help lists every command", () => {
  assert.equal(nearest("/mvoe", ["/move", "/read"]), "/move");
  assert.equal(nearest("/zzzz", ["/move", "/read"]), undefined);
  for (const name of ["/list", "/read", "/find", "/write", "/move", "/delete", "/run", "/undo"]) {
    assert.ok(helpText().includes(name));
  }
});
