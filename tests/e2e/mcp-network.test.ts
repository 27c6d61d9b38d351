/**
 * What a confirmed server may reach: the places of its own, by a start that is an action; and what of
 * its folders the policy keeps from it.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { after, before, test } from "node:test";
import { once } from "node:events";
import { ioi, projectRoot, Scratch, TestKernel } from "../lib/kernel.ts";
import { RawClient } from "../lib/mcp/raw-client.ts";
import { ranOf, until } from "./support.ts";

const python = "/usr/bin/python3";
const tool = (name: string): object => ({
  name,
  description: `does ${name}`,
  inputSchema: { type: "object", additionalProperties: true },
});

const scratch = new Scratch();
const home = scratch.folder("home");
let kernel: TestKernel;
const site = http.createServer((request, response) => response.end(`page ${request.url}`));
const other = net.createServer((socket) => socket.destroy());
let connections = 0;
other.on("connection", () => connections++);
const portOf = (server: net.Server): number => (server.address() as net.AddressInfo).port;

before(async () => {
  kernel = await TestKernel.start({ data: scratch.at("D"), home });
  for (const server of [site, other]) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
});
after(async () => {
  site.close();
  site.closeAllConnections();
  other.close();
  await kernel[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

const command = (name: string): { readonly folder: string; readonly argv: readonly string[] } => {
  const folder = path.join(home, name);
  fs.mkdirSync(folder);
  const script = path.join(folder, "server.py");
  fs.copyFileSync(path.join(projectRoot, "tests/fixtures/mcp-server/server.py"), script);
  const state = path.join(folder, "state.json");
  fs.writeFileSync(state, JSON.stringify({ tools: [tool("reach"), tool("touch")] }));
  return { folder, argv: [python, script, state] };
};

const policyFile = (name: string, more = ""): string => {
  const file = scratch.at(`${name}.toml`);
  fs.writeFileSync(
    file,
    `version = 1
[[rule]]
id = "tools"
effect = "allow"
target = ["mcp::call"]
where.server = { equals = "${name}" }
where.tool = { matches = "[a-z_]+" }
[tool."${name}"."*"]
roles = { "*" = "content" }
${more}`,
  );
  return file;
};

test("a server reaches its places through egress, and nothing else; its start is receipted", async () => {
  const { argv } = command("places");
  const here = `127.0.0.1:${portOf(site)}`;
  const given = {
    urls: [`http://${here}/one`, `http://127.0.0.1:${portOf(other)}/`, "http://other.invalid/"],
    places: [
      ["127.0.0.1", portOf(site)],
      ["127.0.0.1", portOf(other)],
    ],
  };
  {
    // Without the gate it connects wherever it likes.
    const [program = "", ...args] = argv;
    await using direct = new RawClient(program, args);
    await direct.hello();
    assert.match(await direct.call("reach", { places: given.places }), /connected\n.*connected/);
  }
  const before_ = connections;
  {
    const more = ["--policy", policyFile("places"), "--network", here, "--on-ask", "deny"];
    await using client = RawClient.gate(kernel.data, ["--name", "places", ...more, "--", ...argv]);
    await client.hello();
    await client.request("tools/list");
    const said = (await client.call("reach", given)).split("\n");
    assert.match(said[0] ?? "", /200 page \/one$/);
    assert.match(said[1] ?? "", /refused 403/);
    assert.match(said[2] ?? "", /refused 403/);
    assert.match(said[3] ?? "", /none$/);
    assert.match(said[4] ?? "", /none$/);
    assert.match(client.stderr, /reaches 127\.0\.0\.1:\d+, nothing else/);
    assert.match(client.stderr, /allowed places\.#server\/start/);
  }
  assert.equal(connections, before_);
  // The outcome of the start stands behind that of the call, with each request.
  const start = await until(async () => {
    const { stdout } = await ioi(["receipts", "show", "4", "--data", kernel.data]);
    return stdout.includes("by its ticket") ? stdout : undefined;
  });
  assert.match(start, /GET http:\/\/127\.0\.0\.1:\d+\/one 200/);
  assert.equal((await ioi(["receipts", "verify", "--data", kernel.data])).code, 0);
});

test("a rule takes a place away again, and a rule on the start keeps the server from it", async () => {
  const { argv } = command("less");
  const here = `127.0.0.1:${portOf(site)}`;
  const gate = (more: string): RawClient =>
    RawClient.gate(
      kernel.data,
      ["--name", "less", "--replace", "--network", here, "--on-ask", "deny"].concat(
        ["--policy", policyFile("less", more), "--"],
        argv,
      ),
    );
  {
    await using client = gate(`[[rule]]
id = "closed"
effect = "deny"
target = ["net::connect"]
where.host = { equals = "127.0.0.1" }
`);
    await client.hello();
    await client.request("tools/list");
    assert.match(await client.call("reach", { urls: [`http://${here}/`] }), /refused 403/);
  }
  await using client = gate(`[[rule]]
id = "never"
effect = "deny"
target = ["mcp::call"]
where.tool = { equals = "#server/start" }
`);
  assert.equal(await client.exited, 3);
  assert.match(client.stderr, /E_MCP_START.*never/s);
});

test("a start that asks waits for a person, and nothing of the server runs before", async () => {
  const { folder, argv } = command("asked");
  const mark = path.join(folder, "ran");
  const script = fs.readFileSync(argv[1] ?? "", "utf8");
  const begin = `pathlib.Path(${JSON.stringify(mark)}).write_text("ran")\nstate = `;
  fs.writeFileSync(argv[1] ?? "", script.replace("state = ", begin));
  const more = `[[rule]]
id = "asks"
effect = "ask"
target = ["mcp::call"]
where.tool = { equals = "#server/start" }
`;
  const how = ["--name", "asked", "--write", folder, "--on-ask", "wait"];
  const policy = ["--policy", policyFile("asked", more), "--", ...argv];
  await using client = RawClient.gate(kernel.data, [...how, ...policy]);
  const approval = await client.until(() => /\ba-[0-9a-f]{10}\b/.exec(client.stderr)?.[0]);
  assert.equal(fs.existsSync(mark), false);
  assert.equal((await ioi(["approve", approval, "--data", kernel.data])).code, 0);
  await client.hello();
  assert.equal(fs.existsSync(mark), true);
});

test("what the policy refuses of its folders a server neither sees nor changes", async () => {
  const { folder, argv } = command("kept");
  const at = (name: string): string => path.join(folder, "data", name);
  for (const name of ["secret", "plain", "fixed/deep"]) {
    fs.mkdirSync(path.dirname(at(name)), { recursive: true });
    fs.writeFileSync(at(name), `old ${name}`);
  }
  const given = {
    read: [at("secret"), at("plain")],
    write: [at("plain"), at("fixed/deep")],
    move: [[at("fixed"), at("away")]],
  };
  const gate = (more: string): RawClient =>
    RawClient.gate(
      kernel.data,
      ["--name", "kept", "--replace", "--write", path.join(folder, "data")].concat(
        ["--on-ask", "deny", "--policy", policyFile("kept", more), "--"],
        argv,
      ),
    );
  {
    await using client = gate("");
    await client.hello();
    await client.request("tools/list");
    assert.match(
      await client.call("touch", given),
      /old secret[\s\S]*deep written[\s\S]*fixed moved/,
    );
    fs.renameSync(at("away"), at("fixed"));
  }
  const pattern = (name: string): string => `~/${path.relative(home, at(name))}`;
  await using client = gate(`[[rule]]
id = "hidden"
effect = "deny"
target = ["fs::read"]
where.path = { glob = "${pattern("secret")}" }
[[rule]]
id = "fixed"
effect = "deny"
target = ["fs::write"]
where.path = { glob = "${pattern("fixed/deep")}" }
`);
  await client.hello();
  await client.request("tools/list");
  assert.match(
    await client.call("touch", given),
    /secret \n.*plain written\n.*plain written\n.*deep kept\n.*fixed stays/,
  );
});

test("an agent's call starts its server beside it, by a ticket of its own", async () => {
  const { argv } = command("beside");
  const here = `127.0.0.1:${portOf(site)}`;
  const add = ["mcp", "add", "beside", "--network", here, "--data", kernel.data, "--", ...argv];
  assert.equal((await ioi(add)).code, 0);
  const file = path.join(kernel.data, "guardian/policy.toml");
  const before_ = fs.readFileSync(file, "utf8");
  const rule = fs.readFileSync(policyFile("beside"), "utf8").replace("version = 1\n", "");
  fs.writeFileSync(file, `${before_}\n${rule.replace('"*"]', '"reach"]\ngroup = "read"')}`);
  const words = `/call beside.reach {"urls": ["http://${here}/two"]}`;
  const { code, view } = await ioi(["run", "--data", kernel.data, "--json", words]).then(ranOf);
  assert.equal(code, 0, JSON.stringify(view, undefined, 1).slice(0, 4000));
  const [call, start] = view.actions;
  assert.match(call?.outcome?.content ?? "", /200 page \/two/);
  assert.match(start?.display ?? "", /#server\/start/);
  assert.equal(start?.outcome?.status, "confirmed");
  assert.equal(start?.outcome?.evidence["net_requests"], "1");
  fs.writeFileSync(file, before_);
  assert.equal((await ioi(["receipts", "verify", "--data", kernel.data])).code, 0);
});
