/** Secrets and leases: where a value goes, where it does not, and what a file may be. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OperationError, utf8Encode } from "@ioi/base";
import { type PermittedRequest, permittedRequest } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimFiles } from "@ioi/sim";
import type { Action } from "@ioi/wire";
import { knownKeys, type SecretBinding, SecretStore } from "../src/index.ts";
import { PolicyText, TestDriver, World } from "./support.ts";

const binding: SecretBinding = {
  scheme: "https",
  host: "api.example.com",
  port: 443,
  method: "",
  pathPrefix: "/v1",
  header: "authorization",
  template: "Bearer {}",
};

const value = "canary-value-5571";
const key = nodeCrypto.sha256(utf8Encode("key"));

const storeOn = (files: SimFiles, of: Uint8Array = key): Promise<SecretStore> =>
  SecretStore.open({ files, provider: nodeCrypto, key: of, nowMs: () => 1000 });

const get = (url: string, more: Record<string, string> = {}): Action => ({
  version: 1,
  target: "net::get",
  args: { url, ...more },
  facts: {},
});

const request = (url: string, method = "GET"): PermittedRequest => {
  const read = permittedRequest(
    method === "GET"
      ? get(url)
      : { version: 1, target: "net::post", args: { url, method }, facts: {} },
  );
  assert.ok(read.ok, url);
  return read.value;
};

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
    return "ok";
  } catch (error) {
    return error instanceof OperationError ? error.code : `bug: ${String(error)}`;
  }
};

describe("a secret", () => {
  it("fills the header of the request that it is bound to, and no other", async () => {
    const store = await storeOn(new SimFiles({ seed: "a" }));
    await store.set("TOKEN", value, binding);
    const fits = (url: string, method?: string): Promise<string> =>
      codeOf(() => store.headerFor("TOKEN", request(url, method)));
    assert.deepEqual(store.headerFor("TOKEN", request("https://api.example.com/v1/x")), {
      name: "authorization",
      value: `Bearer ${value}`,
    });
    assert.equal(await fits("https://api.example.com/v1"), "ok");
    assert.equal(await fits("https://api.example.com/v1/x?q=1", "POST"), "ok");
    const others = [
      "http://api.example.com/v1/x",
      "https://api.example.com:8443/v1/x",
      "https://example.com/v1/x",
      "https://api.example.com.evil.org/v1/x",
      "https://a.api.example.com/v1/x",
      "https://api.example.com/v10",
      "https://api.example.com/",
      "https://api.example.com/V1/x",
      "https://api.example.com/v1/..%2fadmin",
      "https://api.example.com/v1//evil",
      "https://api.example.com/v1/%5c..%5cadmin",
    ];
    for (const url of others) assert.equal(await fits(url), "E_SECRET_BINDING", url);
    assert.equal(
      await codeOf(() => store.headerFor("NONE1", request("https://x.org/"))),
      "E_SECRET_UNKNOWN",
    );
    await store.set("READER", value, { ...binding, method: "GET" });
    assert.equal(
      await codeOf(() => store.headerFor("READER", request("https://api.example.com/v1", "POST"))),
      "E_SECRET_BINDING",
    );
  });
  it("is not listed, and in no file as it is", async () => {
    const files = new SimFiles({ seed: "b" });
    const store = await storeOn(files);
    await store.set("TOKEN", value, binding);
    store.headerFor("TOKEN", request("https://api.example.com/v1"));
    assert.deepEqual(store.list(), [
      { name: "TOKEN", offered: false, binding, createdMs: 1000, usedMs: 1000 },
    ]);
    const file = Buffer.from(await files.readFile("secrets", 1_000_000));
    for (const hidden of [value, "TOKEN", "api.example.com"])
      assert.ok(!file.includes(hidden), hidden);
    assert.ok(file.subarray(0, 14).equals(Buffer.from("ioi.secrets/1\n")));
    assert.equal((await files.stat("secrets"))?.mode, 0o600);
  });
  it("is there in the next life, and gone once it is removed", async () => {
    const files = new SimFiles({ seed: "c" });
    await (await storeOn(files)).set("TOKEN", value, binding);
    const later = await storeOn(files.kill());
    assert.equal(
      later.headerFor("TOKEN", request("https://api.example.com/v1")).value,
      `Bearer ${value}`,
    );
    assert.ok(await later.remove("TOKEN"));
    assert.ok(!(await later.remove("TOKEN")));
  });
  it("that no request can carry is refused", async () => {
    const store = await storeOn(new SimFiles({ seed: "d" }));
    const refused: readonly (readonly [string, string, Partial<SecretBinding>])[] = [
      ["", value, {}],
      ["KEY", value, {}],
      ["1A", value, {}],
      ["A BC", value, {}],
      ["A".repeat(65), value, {}],
      ["ABCD", "", {}],
      ["ABCD", "two\r\nlines: x", {}],
      ["ABCD", "nul\0", {}],
      ["ABCD", "ümlaut", {}],
      ["ABCD", " padded ", {}],
      ["ABCD", "x".repeat(20_000), {}],
      ["ABCD", value, { host: "API.example.com" }],
      ["ABCD", value, { host: "*.example.com" }],
      ["ABCD", value, { host: "user@example.com" }],
      ["ABCD", value, { scheme: "http" }],
      ["ABCD", value, { port: 0 }],
      ["ABCD", value, { pathPrefix: "v1" }],
      ["ABCD", value, { pathPrefix: "/v1/../x" }],
      ["ABCD", value, { pathPrefix: "/v1?x" }],
      ["ABCD", value, { method: "G ET" }],
      ["ABCD", value, { header: "host" }],
      ["ABCD", value, { header: "content-length" }],
      ["ABCD", value, { header: "a b" }],
      ["ABCD", value, { template: "Bearer" }],
      ["ABCD", value, { template: "{}{}" }],
      ["ABCD", value, { template: "{}\r\nx: y" }],
    ];
    for (const [name, given, changes] of refused) {
      const code = await codeOf(() => store.set(name, given, { ...binding, ...changes }));
      assert.equal(code, "E_SECRET_INVALID", JSON.stringify([name, given.slice(0, 20), changes]));
    }
    assert.deepEqual(store.list(), []);
    // Over plain http to this machine alone.
    await store.set("OWNER", value, { ...binding, scheme: "http", host: "127.0.0.1", port: 80 });
  });
  it("of the environment is kept in memory only, and never in place of an entered one", async () => {
    const files = new SimFiles({ seed: "e" });
    const store = await storeOn(files);
    assert.ok(store.offer("OPENAI_API_KEY", value, knownKeys.get("OPENAI_API_KEY") ?? binding));
    await store.set("TOKEN", value, binding);
    assert.ok(!store.offer("TOKEN", "another", binding));
    assert.deepEqual(
      store.list().map(({ name, offered }) => [name, offered]),
      [
        ["OPENAI_API_KEY", true],
        ["TOKEN", false],
      ],
    );
    assert.equal(
      store.headerFor("OPENAI_API_KEY", request("https://api.openai.com/v1/chat/completions"))
        .value,
      `Bearer ${value}`,
    );
    assert.deepEqual(
      (await storeOn(files.kill())).list().map(({ name }) => name),
      ["TOKEN"],
    );
    assert.ok(!store.offer("BAD", "line\nbreak", binding));
  });
});

describe("the file of secrets", () => {
  it("that was changed, cut, or is another's is refused, and not touched", async () => {
    const files = new SimFiles({ seed: "f" });
    await (await storeOn(files)).set("TOKEN", value, binding);
    const whole = await files.readFile("secrets", 1_000_000);
    const open = async (bytes: Uint8Array, of = key): Promise<string> => {
      const other = new SimFiles({ seed: "g" });
      await other.replaceFile("secrets", bytes, 0o600);
      return await codeOf(() => storeOn(other, of));
    };
    assert.equal(await open(whole), "ok");
    for (let at = 0; at < whole.length; at += 7) {
      const changed = whole.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.match(await open(changed), /^E_SECRETS_/, `byte ${at}`);
    }
    for (const length of [0, 5, 14, 20, whole.length - 1]) {
      assert.match(await open(whole.subarray(0, length)), /^E_SECRETS_DAMAGED$/, `${length} bytes`);
    }
    assert.equal(await open(whole, nodeCrypto.randomBytes(32)), "E_SECRETS_DAMAGED");
    assert.equal(await open(utf8Encode("ioi.secrets/2\nwhatever")), "E_SECRETS_FORMAT");
  });
});

const rules = `version = 1
[[rule]]
id = "web"
effect = "allow"
target = ["net::get"]
where.url = { host = ["api.example.com", "127.0.0.1"] }
[[rule]]
id = "nas"
effect = "allow"
target = ["net::get"]
where.url = { host = "nas.example.net", address = ["private"] }
`;

const opened = async () => {
  const world = await World.open({ seed: "lease", policy: new PolicyText(rules) });
  world.core.secrets = await storeOn(world.files);
  await world.core.secrets.set("TOKEN", value, binding);
  const words =
    "fetch https://api.example.com/v1/a with TOKEN and http://127.0.0.1:8080/ and http://nas.example.net/";
  const id = await world.utter({ text: words });
  return { world, id, driver: new TestDriver(world, id, "net") };
};

const leaseOf = (world: World, ticket: Uint8Array | undefined, action: Uint8Array) =>
  world.gate.lease({ ticket: ticket ?? new Uint8Array(0), action });

describe("a lease", () => {
  const url = "https://api.example.com/v1/a";
  it("is given once, for the ticket's own action, with what its secret fills", async () => {
    const { world, driver } = await opened();
    const proposal = world.proposal(driver, get(url, { secret: "TOKEN" }));
    const { verdict, ticket } = await world.gate.propose(proposal);
    assert.equal(verdict, "allow");
    const other = driver.prepare(get(url)).action;
    assert.equal(await codeOf(() => leaseOf(world, ticket, other)), "E_LEASE_REFUSED");
    const { headers, addressClasses } = leaseOf(world, ticket, proposal.action);
    assert.deepEqual(
      [headers, addressClasses],
      [[{ name: "authorization", value: `Bearer ${value}` }], ["public"]],
    );
    assert.equal(await codeOf(() => leaseOf(world, ticket, proposal.action)), "E_LEASE_REFUSED");
  });
  it("carries no secret that the action does not name", async () => {
    const { world, driver } = await opened();
    const proposal = world.proposal(driver, get(url));
    const { ticket } = await world.gate.propose(proposal);
    assert.deepEqual(leaseOf(world, ticket, proposal.action).headers, []);
  });
  it("names the classes of addresses that the request may reach", async () => {
    const { world, driver } = await opened();
    const classes = async (to: string): Promise<unknown> => {
      const proposal = world.proposal(driver, get(to));
      const { verdict, ticket } = await world.gate.propose(proposal);
      return verdict === "allow" ? leaseOf(world, ticket, proposal.action).addressClasses : verdict;
    };
    assert.deepEqual(await classes("http://127.0.0.1:8080/"), ["loopback"]);
    assert.deepEqual(await classes("http://nas.example.net/"), ["private"]);
  });
  it("is refused too late, after the outcome, after the end of the session, and to a stranger", async () => {
    const { world, id, driver } = await opened();
    const make = async () => {
      const proposal = world.proposal(driver, get(url));
      return { ticket: (await world.gate.propose(proposal)).ticket, action: proposal.action };
    };
    const late = await make();
    await world.clock.advance(30_001);
    assert.equal(await codeOf(() => world.gate.lease(late as never)), "E_LEASE_REFUSED");
    assert.equal(
      await codeOf(() => leaseOf(world, new Uint8Array(3), late.action)),
      "E_LEASE_REFUSED",
    );
    const other = await opened();
    const foreign = other.world.proposal(other.driver, get(url));
    const { ticket } = await other.world.gate.propose(foreign);
    assert.equal(await codeOf(() => leaseOf(world, ticket, foreign.action)), "E_LEASE_REFUSED");
    const last = await make();
    await world.gate.closeSession(id, "done");
    assert.equal(await codeOf(() => world.gate.lease(last as never)), "E_SESSION_CLOSED");
  });
  it("a secret that is not there, or bound elsewhere, is refused before anything is decided", async () => {
    const { world, driver } = await opened();
    const code = (to: string, secret: string): Promise<string> =>
      codeOf(() => world.propose(driver, get(to, { secret })));
    const before = (await world.leaves()).length;
    assert.equal(await code(url, "NONE"), "E_SECRET_UNKNOWN");
    assert.equal(await code("http://127.0.0.1:8080/", "TOKEN"), "E_SECRET_BINDING");
    assert.equal((await world.leaves()).length, before);
  });
});
