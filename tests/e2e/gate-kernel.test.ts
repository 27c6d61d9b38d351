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

test("a kernel that is told to stop ends whoever holds it, and the gates say so", async () => {
  const data = scratch.at("stopped");
  await using first = gateOn(data, "first");
  await ready(first);
  await using second = gateOn(data, "second");
  await ready(second);
  process.kill(kernelOf(data), "SIGTERM");
  assert.notEqual(await second.exited, 0);
  assert.match(second.stderr, /E_MCP_ENDED|E_RPC_UNAVAILABLE/);
  await first.exited;
  await untilGone(data);
});
