/** Gates that share a kernel which one of them started: it lives until the last of them ends. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ioi, projectRoot, Scratch } from "../lib/kernel.ts";
import { RawClient } from "../lib/mcp/raw-client.ts";
import "./compile-cache.ts";

let scratch: Scratch;
before(() => {
  scratch = new Scratch();
});
after(() => scratch[Symbol.dispose]());

const naming = (text: string): readonly number[] =>
  fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return fs.readFileSync(`/proc/${name}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);

/** Polls until no process names it; the test's own deadline is the bound. */
const untilGone = async (text: string): Promise<void> => {
  while (naming(text).length > 0) await sleep(50);
};

const kernelOf = (data: string): number =>
  (JSON.parse(fs.readFileSync(path.join(data, "run/kernel.json"), "utf8")) as { pid: number }).pid;

/** A gate on the folder, its server in a folder of its own. */
const gateOn = (data: string, name: string): RawClient => {
  const folder = scratch.folder(`${path.basename(data)}-${name}`);
  const script = path.join(folder, "server.py");
  fs.copyFileSync(path.join(projectRoot, "tests/fixtures/mcp-server/server.py"), script);
  const state = path.join(folder, "state.json");
  const tool = { name: "read", description: "reads", inputSchema: { type: "object" } };
  fs.writeFileSync(state, JSON.stringify({ tools: [tool] }));
  const policy = ["--policy", "transparent"];
  const command = ["/usr/bin/python3", script, state];
  return RawClient.gate(data, ["--name", name, ...policy, "--", ...command]);
};

const ready = async (client: RawClient): Promise<void> => {
  await client.hello();
  await client.request("tools/list");
  assert.match(await client.call("read"), /^read/);
};

for (const how of ["ends", "is killed"] as const) {
  test(`the gate that started the kernel ${how}: the other goes on, and the last takes it along`, async () => {
    const data = scratch.at(how.replaceAll(" ", "-"));
    await using first = gateOn(data, "first");
    await ready(first);
    assert.match(first.stderr, /no kernel ran: this one ends with the last gate/);
    assert.match(first.stderr, /It does not cover:\n(?: {2}- .+\n){3}/);
    const kernel = kernelOf(data);
    await using second = gateOn(data, "second");
    await ready(second);
    assert.doesNotMatch(second.stderr, /no kernel ran/);
    if (how === "ends") first.end();
    else first.kill();
    await first.exited;
    await untilGone(scratch.at(`${path.basename(data)}-first`));
    assert.match(await second.call("read"), /^read/);
    // One that comes when its starter is gone holds it as well.
    await using third = gateOn(data, "third");
    await ready(third);
    second.kill();
    await second.exited;
    assert.match(await third.call("read"), /^read/);
    assert.equal(kernelOf(data), kernel);
    if (how === "ends") third.end();
    else third.kill();
    await third.exited;
    await untilGone(data);
    await untilGone(scratch.path);
    assert.equal((await ioi(["receipts", "verify", "--data", data])).code, 0);
  });
}

const smallServer = `
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method } = JSON.parse(line);
  if (id === undefined) return;
  const serverInfo = { name: "notes", version: "1" };
  const result =
    method === "tools/list"
      ? { tools: [{ name: "argv", description: process.argv[2], inputSchema: { type: "object" } }] }
      : { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo };
  console.log(JSON.stringify({ jsonrpc: "2.0", id, result }));
});
`;

/** What `npx` would run is confirmed as the file in npm's cache; what is not there is said. */
const npxIsLookedUp = async (data: string): Promise<void> => {
  const cache = scratch.folder("npm-cache");
  const made = (hash: string, version: string): string => {
    const folder = path.join(cache, "_npx", hash, "node_modules/@x/notes");
    fs.mkdirSync(folder, { recursive: true });
    const manifest = { version, bin: { notes: "cli.js", other: "o.js" } };
    fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest));
    fs.writeFileSync(path.join(folder, "cli.js"), smallServer);
    return path.join(folder, "cli.js");
  };
  const wanted = made("aaaa", "1.0.0");
  made("bbbb", "2.0.0");
  // What lies in the project's own folder is not taken: no server ever sees it.
  const own = path.join(scratch.folder("bin"), "node");
  fs.copyFileSync(process.execPath, own, fs.constants.COPYFILE_FICLONE);
  const env = {
    npm_config_cache: cache,
    PATH: `${path.dirname(process.execPath)}:${path.dirname(own)}:${process.env["PATH"]}`,
  };
  const add = (name: string, ...command: readonly string[]) =>
    ioi(["mcp", "add", name, "--data", data, "--json", "--", ...command], { env });
  const added = await add("notes", "npx", "-y", "@x/notes@1.0.0", "--flag");
  assert.equal(added.code, 0, added.stderr + added.stdout);
  assert.ok(added.stdout.includes(JSON.stringify(wanted)), added.stdout);
  assert.ok(added.stdout.includes(JSON.stringify(own)), added.stdout);
  assert.ok(added.stdout.includes('"--flag"') && !added.stdout.includes('"npx"'), added.stdout);
  for (const [command, says] of [
    [["npx", "-y", "@x/notes@3.0.0"], /@x\/notes is not in npm's cache/],
    [["npx", "-p", "a", "b"], /only npx \[-y\] PACKAGE can be looked up/],
    [["uvx", "a"], /uvx fetches what it runs/],
  ] as const) {
    const refused = await add("other", ...command);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr + refused.stdout, says);
  }
};

test("a kernel that is told to stop ends whoever holds it, and the gates say so", async () => {
  const data = scratch.at("stopped");
  await using first = gateOn(data, "first");
  await ready(first);
  await using second = gateOn(data, "second");
  await ready(second);
  await npxIsLookedUp(data);
  process.kill(kernelOf(data), "SIGTERM");
  assert.notEqual(await second.exited, 0);
  assert.match(second.stderr, /E_MCP_ENDED|E_RPC_UNAVAILABLE/);
  await first.exited;
  await untilGone(data);
});
