/**
 * The page's door at the command line: the link, the devices, the port that is remembered, and an
 * answer that a paired browser gave. What attackers try is in `suite page-attacks`.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { listenLoopback } from "@ioi/host/libc";
import { BrowserKey } from "../lib/device-keys.ts";
import { ioi, projectRoot, Scratch, TestKernel } from "../lib/kernel.ts";
import { PageClient } from "../lib/page-client.ts";

const idOf = (device: Uint8Array): string => Buffer.from(device).toString("hex");

test("a browser is signed in by a link, paired at the terminal, answers, and is revoked", async () => {
  using scratch = new Scratch();
  const data = scratch.at("data");
  const workspace = scratch.folder("work");
  fs.writeFileSync(path.join(workspace, ".env"), "KEY=1\n");
  await using kernel = await TestKernel.start({ data, pages: "" });
  const cli = (...args: readonly string[]) => ioi([...args, "--data", data, "--json"]);

  const opened = await cli("open");
  const { schema, url } = opened.json as { readonly schema: string; readonly url: string };
  assert.equal(schema, "ioi.open/1");
  assert.ok(url.startsWith(`${kernel.pageAddress}/open#`), url);
  const cards = await cli("open", "--cards");
  const { url: cardsUrl } = cards.json as { readonly url: string };
  assert.match(cardsUrl, /^http:\/\/approve\.localhost:\d+\/open#[\w-]{43}$/);
  const status = (await cli("status")).json as { readonly page: string };
  assert.equal(status.page, kernel.pageAddress);

  const page = await PageClient.open(data);
  const key = new BrowserKey();
  const code = await key.offer(page, "a\u202Ebrowser");
  const wrong = code === "111111" ? "222222" : "111111";
  const refused = await cli("devices", "pair", wrong);
  assert.equal((refused.json as { readonly code: string }).code, "E_DEVICE_CODE");
  const paired = await cli("devices", "pair", `${code.slice(0, 3)} ${code.slice(3)}`);
  assert.deepEqual(paired.json, {
    schema: "ioi.device/1",
    id: idOf(key.device),
    name: "abrowser",
    kind: "webcrypto",
  });

  const asked = await cli("run", "--workspace", workspace, "--on-ask", "pend", "/read .env");
  assert.equal(asked.code, 4);
  const { json } = await page.cards("ListCards", {
    device: Buffer.from(key.device).toString("base64"),
  });
  const [card] = json["cards"] as readonly Readonly<Record<string, string>>[];
  assert.equal(json["device"], "paired");
  const answered = await page.cards("Decide", key.decision(card?.["statementOnce"] ?? ""));
  assert.equal(answered.status, 200);
  const { session } = asked.json as { readonly session: string };
  for (let state: unknown = ""; state !== "done";) {
    ({ state } = (await page.call("GetSession", { session })).json);
    assert.notEqual(state, "failed");
  }

  const revoked = await cli("devices", "revoke", idOf(key.device).slice(0, 12));
  assert.equal(revoked.code, 0);
  const { devices } = (await cli("devices")).json as {
    readonly devices: readonly { readonly kind: string }[];
  };
  assert.deepEqual(
    devices.map(({ kind }) => kind),
    ["terminal"],
  );
  const own = await cli("devices", "revoke", (await terminalId(cli)).slice(0, 12));
  assert.equal(own.code, 2);
});

const terminalId = async (
  cli: (...args: readonly string[]) => ReturnType<typeof ioi>,
): Promise<string> => {
  const { json } = await cli("devices");
  const { devices } = json as { readonly devices: readonly { readonly id: string }[] };
  return devices[0]?.id ?? "";
};

test("without a page, open says that none is served", async () => {
  using scratch = new Scratch();
  const data = scratch.at("data");
  await using _kernel = await TestKernel.start({ data });
  const { json } = await ioi(["open", "--data", data, "--json"]);
  assert.equal((json as { readonly code: string }).code, "E_CLI_NO_PAGE");
});

/** `ioi start` until it says where the page is; then it is asked to end. */
const startPage = (data: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const main = path.join(projectRoot, "apps/cli/src/main.ts");
    const child = spawn(process.execPath, [main, "start", "--data", data, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      if (/page: \S+/.test(text)) child.kill("SIGTERM");
    });
    child.on("error", reject);
    child.on("close", () => resolve(text));
  });

const freePort = (): number => {
  const listener = listenLoopback(0);
  assert.ok(listener !== undefined);
  fs.closeSync(listener.descriptor);
  return listener.port;
};

test("the page's port is remembered, and the next one is taken where it is busy", async () => {
  using scratch = new Scratch();
  const data = scratch.at("data");
  const pageOf = (text: string): string => /page: (\S+)/.exec(text)?.[1] ?? text;
  const port = String(freePort());
  const first = pageOf(await startPage(data, ["--port", "0", "--page-port", "0"]));
  assert.match(first, /^http:\/\/app\.localhost:\d+$/);
  const second = pageOf(await startPage(data, ["--port", port]));
  assert.equal(second, first);
  const busy = listenLoopback(Number(new URL(first).port));
  assert.ok(busy !== undefined);
  const text = await startPage(data, ["--port", port]);
  fs.closeSync(busy.descriptor);
  assert.notEqual(pageOf(text), first);
  assert.match(text, /page port \d+ is in use by process \d+ \(.+\); using \d+/);
});
