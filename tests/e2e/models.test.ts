/** Models through the real processes: who is asked, with what, and who is not. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { ioi } from "../lib/kernel.ts";
import { ModelServer, type ModelReply } from "../lib/model-servers/index.ts";
import { confirmModel } from "../lib/models.ts";
import { Place, ranOf } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
});
after(async () => {
  await place[Symbol.asyncDispose]();
});

const hello: readonly ModelReply[] = [{ type: "reply", text: "Hello." }];
const ask = (...more: readonly string[]) =>
  place.ioi("run", "say hello", "--workspace", place.workspace, "--json", ...more);

test("without a model plain text is refused, and says how to add one", async () => {
  const { code, stderr, json } = await ask();
  assert.notEqual(code, 0);
  assert.match(stderr + JSON.stringify(json), /ioi models/);
});

test("a secret reaches its model, and is in nobody's answer", async () => {
  const key = "sk-scripted-0123456789";
  await using server = await ModelServer.start({ protocol: "anthropic", script: hello, key });
  const secret = ["secrets", "set", "MODEL_KEY", "--url", server.url, "--header", "x-api-key"];
  const set = await ioi([...secret, "--data", place.data], { input: `${key}\n` });
  assert.equal(set.code, 0, set.stderr);
  const named = { id: "scripted/keyed", protocol: "anthropic" } as const;
  await confirmModel(place.data, server, named);
  const without = ranOf(await ask());
  assert.equal(
    without.view.error?.code,
    "E_MODEL_KEY",
    "the control: without its secret it is 401",
  );
  await confirmModel(place.data, server, { ...named, secret: "MODEL_KEY" });
  const ran = await ask();
  assert.equal(ranOf(ran).view.state, "done", ran.stderr);
  assert.equal(server.asked.at(-1)?.headers["x-api-key"], key);
  assert.ok(!(ran.stdout + ran.stderr).includes(key));
});

test("another program on a confirmed model's port is not asked", async () => {
  await using server = await ModelServer.start({ protocol: "openai", script: hello });
  const named = { id: "scripted/pinned", protocol: "openai" } as const;
  await confirmModel(place.data, server, { ...named, program: "/usr/bin/ollama" });
  const refused = ranOf(await ask());
  assert.equal(refused.view.state, "failed");
  assert.match(refused.view.error?.message ?? "", /not what was confirmed/);
  assert.deepEqual(server.seen, [], "it got no byte of a prompt");
  await confirmModel(place.data, server, named);
  assert.equal(ranOf(await ask()).view.state, "done", "the control: who was confirmed is asked");
});

test("a server that begins and falls silent is left when its session is stopped", async () => {
  await using server = await ModelServer.start({
    protocol: "openai",
    script: [{ type: "stalls" }],
  });
  await confirmModel(place.data, server, { id: "scripted/stalls", protocol: "openai" });
  const running = ask();
  while (server.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const stopped = await place.ioi("stop", "--json");
  assert.equal(stopped.code, 0, stopped.stderr);
  const { view } = ranOf(await running);
  assert.equal(view.state, "stopped");
  assert.equal(server.cut, 1, "its connection is gone");
});

test("a question beyond the session's money asks the person", async () => {
  await using server = await ModelServer.start({ protocol: "openai", script: hello });
  const dear = { priceIn: 900_000_000_000, priceOut: 900_000_000_000 };
  await confirmModel(place.data, server, { id: "scripted/dear", protocol: "openai", ...dear });
  const { code, view } = ranOf(await ask("--on-ask", "deny"));
  assert.notEqual(code, 0);
  assert.notEqual(view.state, "done");
  assert.equal(server.asked.length, 0);
});

test("what was confirmed is still there after a restart", async () => {
  await using server = await ModelServer.start({ protocol: "openai", script: hello });
  await confirmModel(place.data, server, { id: "scripted/kept", protocol: "openai" });
  const before = (await place.ioi("models", "list", "--json")).json;
  await place.end("stop");
  await place.start();
  assert.deepEqual((await place.ioi("models", "list", "--json")).json, before);
  assert.equal(fs.statSync(`${place.data}/guardian/models`).mode & 0o777, 0o600);
});
