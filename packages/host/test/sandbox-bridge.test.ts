/**
 * The way out of a sandbox with a network of its own: one port inside, served from outside. Controls:
 * without it nothing answers; the same connection outside of a sandbox arrives.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { messagePair, takeDescriptor } from "../src/libc/index.ts";
import { kindProfiles, spawnSandboxed } from "../src/sandbox/index.ts";

/** Tries a connection and says how it ended. */
const dial = (port: number): string =>
  `require("node:net").connect(${port}, "127.0.0.1")
    .on("data", (text) => { console.log("said " + text); process.exit(0); })
    .on("error", (error) => { console.log(error.code); process.exit(0); });`;

const run = async (
  t: TestContext,
  script: string,
  bridged: boolean,
  serve: (socket: net.Socket) => void = () => undefined,
): Promise<string> => {
  const [inner, outer] = messagePair();
  t.after(() => closeSync(outer));
  const { child, started } = spawnSandboxed(
    {
      name: "command",
      kind: "command",
      binds: [{ path: path.dirname(process.execPath), access: "read" }],
      masks: [],
      ...kindProfiles.command,
      network: "own",
    },
    {
      program: process.execPath,
      args: ["-e", script],
      stdio: ["ignore", "pipe", "pipe", inner],
      ...(bridged ? { bridge: { descriptor: 3, words: "6869" } } : {}),
    },
  );
  closeSync(inner);
  let out = "";
  child.stdout?.on("data", (text) => (out += String(text)));
  child.stderr?.on("data", (text) => (out += String(text)));
  assert.deepEqual(await started, { ok: true, value: undefined });
  const passed = takeDescriptor(outer);
  assert.equal(passed === undefined, !bridged);
  if (passed !== undefined) {
    assert.equal(Buffer.from(passed.text).toString(), "hi");
    const server = net.createServer(serve).listen({ fd: passed.descriptor });
    t.after(() => server.close());
  }
  await once(child, "close");
  return out.trim();
};

test("a program reaches who serves its one port, and nobody else", async (t) => {
  const canary = net.createServer((socket) => socket.end("canary")).listen(0, "127.0.0.1");
  t.after(() => canary.close());
  await once(canary, "listening");
  const { port } = canary.address() as net.AddressInfo;
  // Control: outside of the sandbox the canary answers.
  const [said] = (await once(net.connect(port, "127.0.0.1"), "data")) as [Buffer];
  assert.equal(String(said), "canary");
  const welcome = (socket: net.Socket): unknown => socket.end("welcome");
  assert.equal(await run(t, dial(3128), true, welcome), "said welcome");
  assert.equal(await run(t, dial(port), true, welcome), "ECONNREFUSED");
});

test("without a way out nothing is reached, not even the device", async (t) => {
  assert.equal(await run(t, dial(3128), false), "ENETUNREACH");
});

test("the program has neither the socket that listens nor the one that it left by", async (t) => {
  const script = `const fs = require("node:fs");
    const held = fs.readdirSync("/proc/self/fd").map((fd) => {
      try { return fs.readlinkSync("/proc/self/fd/" + fd); } catch { return ""; }
    });
    console.log(held.filter((name) => name.startsWith("socket:")).length);`;
  // Its two outputs are sockets of the runtime; control: an ordinary descriptor is handed on.
  assert.equal(await run(t, script, true), "2");
  assert.equal(await run(t, script, false), "3");
});

test("no name is resolved inside: there is no server to ask", async (t) => {
  const script = `const dns = require("node:dns");
    dns.lookup("example.com", (error) => console.log(error?.code));`;
  assert.match(await run(t, script, true), /^E(AI_AGAIN|NOTFOUND)$/);
});
