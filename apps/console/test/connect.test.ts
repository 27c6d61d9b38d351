/** The Connect protocol against its official client, and against everything that is not it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { OperationError } from "@ioi/base";
import { Console } from "@ioi/wire/console";
import { bodyBytesMax } from "../src/limits.ts";
import { TestSite, type TestSiteOptions } from "./support.ts";

const clientOf = (site: TestSite) =>
  createClient(Console, createConnectTransport({ baseUrl: site.origin("app"), fetch: site.fetch }));

const failureOf = async (call: Promise<unknown>): Promise<ConnectError> => {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError);
    return error;
  }
  return assert.fail("it did not fail");
};

test("the official client gets what a handler gives: text, bytes, 64 bits", async () => {
  const asked: unknown[] = [];
  await using site = await TestSite.open({
    app: {
      getContent: async ({ session, action, offset }, { browser }) => {
        asked.push([session, action, offset, browser]);
        return { bytes: Uint8Array.of(0, 255, 1), total: 2n ** 63n };
      },
    },
  });
  const reply = await clientOf(site).getContent({ session: "s-é\u2028", action: 3, offset: 9n });
  assert.deepEqual([...reply.bytes, reply.total], [0, 255, 1, 2n ** 63n]);
  assert.deepEqual(asked, [["s-é\u2028", 3, 9n, "a".repeat(32)]]);
});

test("a failure keeps its code, its words and its next step", async () => {
  await using site = await TestSite.open({
    app: {
      stop: async () => {
        throw new OperationError("E_SESSION_UNKNOWN", "there is no session é", {
          next: "./ioi sessions list — 100 %",
        });
      },
      resolve: async () => {
        throw new OperationError("E_RPC_UNAVAILABLE", "the other process is gone");
      },
    },
  });
  const failure = await failureOf(clientOf(site).stop({ session: "x" }));
  assert.equal(failure.code, Code.NotFound);
  assert.equal(failure.rawMessage, "there is no session é");
  assert.equal(failure.metadata.get("ioi-code"), "E_SESSION_UNKNOWN");
  const next = decodeURIComponent(failure.metadata.get("ioi-next") ?? "");
  assert.equal(next, "./ioi sessions list — 100 %");
  const gone = await failureOf(clientOf(site).resolve({}));
  assert.equal(gone.code, Code.Unavailable);
});

test("the client's deadline ends a call, and the handler hears of it", async () => {
  let ended = false;
  await using site = await TestSite.open({
    app: {
      doctor: async (_request, { signal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        ended = true;
        signal.throwIfAborted();
        return { json: "" };
      },
    },
  });
  const answered = await site.ask({
    method: "POST",
    path: "/ioi.console.v1.Console/Doctor",
    headers: { "connect-timeout-ms": "20" },
    body: "{}",
  });
  assert.equal(answered.status, 504);
  assert.equal((JSON.parse(answered.text) as { code: string }).code, "deadline_exceeded");
  assert.equal(ended, true);
});

test("a bug stays at home", async () => {
  await using site = await TestSite.open({
    app: {
      overview: async () => {
        throw new TypeError("secret");
      },
    },
  });
  const asked = site.ask({ method: "POST", path: "/ioi.console.v1.Console/Overview", body: "{}" });
  await assert.rejects(asked, /socket hang up|ECONNRESET/);
  assert.equal(site.bugs.length, 1);
});

const counting = (): { readonly options: TestSiteOptions; readonly calls: () => number } => {
  let calls = 0;
  const options: TestSiteOptions = {
    app: {
      listFolders: async ({ path }) => {
        calls++;
        return { path, names: [], files: [], truncated: false };
      },
    },
  };
  return { options, calls: () => calls };
};

test("what is no call of this protocol reaches no handler", async () => {
  const { options, calls } = counting();
  await using site = await TestSite.open(options);
  const path = "/ioi.console.v1.Console/ListFolders";
  const ask = async (
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array,
    at = path,
  ) => (await site.ask({ method: "POST", path: at, headers, body })).status;

  assert.equal(await ask({}, '{"path":"/a"}'), 200);
  assert.equal(await ask({ "content-type": "application/json; charset=utf-8" }, "{}"), 200);
  assert.equal(calls(), 2);
  // What a form of another site can send, were its origin not looked at.
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    assert.equal(await ask({ "content-type": type }, '{"path":"/a"}'), 415, type);
  }
  assert.equal(await ask({ "content-type": "application/proto" }, ""), 415);
  assert.equal(await ask({ "connect-protocol-version": "" }, "{}"), 400);
  assert.equal(await ask({ "connect-protocol-version": "2" }, "{}"), 400);
  assert.equal(await ask({ "content-encoding": "gzip" }, "{}"), 501);
  assert.equal(await ask({}, "{}", "/ioi.console.v1.Console/Nothing"), 501);
  assert.equal(await ask({}, "{}", "/ioi.console.v1.Cards/ListCards"), 501);
  assert.equal(await ask({}, "{}", "/ioi.kernel.v1.Kernel/Shutdown"), 501);
  assert.equal(await ask({}, "{}", "/__proto__"), 501);
  for (const body of [
    "",
    "{",
    "[]",
    "null",
    "1",
    '{"path":1}',
    '{"path":"a","other":1}',
    '{"__proto__":{"path":"a"}}',
    Uint8Array.of(0xff, 0xfe),
    `${"[".repeat(100_000)}`,
  ]) {
    assert.equal(await ask({}, body), 400, String(body).slice(0, 40));
  }
  assert.equal(calls(), 2);
});

test("a body that is too long is refused, said before or found out", async () => {
  const { options, calls } = counting();
  await using site = await TestSite.open(options);
  const path = "/ioi.console.v1.Console/ListFolders";
  const fits = JSON.stringify({ path: "x".repeat(bodyBytesMax - 11) });
  assert.equal(fits.length, bodyBytesMax);
  assert.equal((await site.ask({ method: "POST", path, body: fits })).status, 200);
  const long = `${fits} `;
  const said = await site.ask({
    method: "POST",
    path,
    headers: { "content-length": String(long.length) },
    body: long,
  });
  assert.equal(said.status, 413);
  const found = await site.ask({
    method: "POST",
    path,
    headers: { "transfer-encoding": "chunked" },
    body: long,
  });
  assert.equal(found.status, 413);
  assert.equal(calls(), 1);
});
