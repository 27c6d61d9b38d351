/**
 * The little world of `suite egress`: run inside a network namespace of its own, whose loopback
 * interface also has a public and a private address, so that "the Internet" is this machine and
 * nothing else. Prints the cases as JSON.
 */
import { spawnSync } from "node:child_process";
import dns from "node:dns";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { once } from "node:events";
import type { SuiteCase } from "../../suites/suite.ts";
import { type CliResult, ioi, Scratch, TestKernel } from "../kernel.ts";
import { hitsInFiles, hitsInMemory } from "../memory.ts";
import { descendantsOf } from "../processes.ts";
import { type DnsStub, dnsStub } from "./dns-stub.ts";
import { closedKinds, probeInside, probeOutside } from "./probes.ts";
import { type Canary, canary, certificateFor, type Site, site } from "./servers.ts";

export interface WorldReport {
  readonly cases: readonly SuiteCase[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly unavailable: readonly string[];
}

const publicAddress = "8.8.8.8";
const privateAddress = "10.1.2.3";
const secureName = "securehost";

const policy = `version = 1
[[rule]]
id = "sites"
effect = "allow"
target = ["net::get"]
where.url = { host = ["site.test", "rebind.test", "private.test", "own.test", "mixed.test", "${secureName}"] }
[[rule]]
id = "denied"
effect = "deny"
target = ["net::get", "net::post"]
where.url = { host = "denied.test" }
[[rule]]
id = "run"
effect = "allow"
target = ["sys::exec"]
where.argv = { profile = "closed" }
`;

const zone = (name: string, nth: number): readonly string[] | undefined => {
  switch (name) {
    case "site.test":
    case "denied.test":
    case secureName:
      return [publicAddress];
    case "rebind.test":
      return [nth === 0 ? publicAddress : "127.0.0.1"];
    case "own.test":
      return ["127.0.0.1"];
    case "private.test":
      return [privateAddress];
    case "mixed.test":
      return [publicAddress, "127.0.0.1"];
    default:
      return undefined;
  }
};

const spellings = [
  "127.1",
  "0x7f.1",
  "2130706433",
  "017700000001",
  "[::ffff:7f00:1]",
  "0.0.0.0",
  "127.0.0.1.",
  "[::ffff:127.0.0.1]",
  "①②⑦.0.0.1",
];

interface RunView {
  readonly session: string;
  readonly state: string;
  readonly actions: readonly {
    readonly verdict: string | null;
    readonly reason: string;
    readonly outcome: {
      readonly status: string;
      readonly code: string | null;
      readonly content: string | null;
      readonly evidence: Readonly<Record<string, string>>;
    } | null;
  }[];
  readonly error: { readonly code: string; readonly message: string } | null;
}

const caseOf = (id: string, expected: string, actual: string, harm?: boolean): SuiteCase => ({
  id,
  outcome: expected === actual ? "passed" : "failed",
  expected,
  actual,
  control: harm === undefined ? "none" : harm ? "harmed" : "harmless",
});

/** What a program that looks a name up by itself does: the control of every case about names. */
class Naive {
  readonly #resolver = new dns.promises.Resolver({ timeout: 2000, tries: 1 });

  constructor(stub: DnsStub) {
    this.#resolver.setServers([stub.address]);
  }

  async addressOf(name: string): Promise<string> {
    return (await this.#resolver.resolve4(name))[0] ?? "";
  }

  /** Fetches, and follows where it is sent. */
  async fetch(url: string): Promise<void> {
    const { hostname, port, pathname, search } = new URL(url);
    const host = hostname.replaceAll(/[[\]]/g, "");
    const address = net.isIP(host) === 0 ? await this.addressOf(host) : host;
    const request = http.get({
      host: address,
      port: port || 80,
      path: pathname + search,
      agent: false,
    });
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    response.resume();
    const { location } = response.headers;
    if (location !== undefined) await this.fetch(location);
  }
}

class World {
  readonly cases: SuiteCase[] = [];
  readonly metrics: Record<string, number> = {};
  readonly unavailable: string[] = [];
  readonly scratch = new Scratch();
  readonly data: string = this.scratch.at("data");
  readonly workspace: string = this.scratch.folder("work");
  readonly stub: DnsStub;
  readonly web: Site;
  readonly secure: Site;
  readonly loopback: Canary;
  readonly inside: Canary;
  readonly naive: Naive;

  constructor(parts: { stub: DnsStub; web: Site; secure: Site; loopback: Canary; inside: Canary }) {
    this.stub = parts.stub;
    this.web = parts.web;
    this.secure = parts.secure;
    this.loopback = parts.loopback;
    this.inside = parts.inside;
    this.naive = new Naive(parts.stub);
  }

  async ioi(...args: readonly string[]): Promise<CliResult> {
    return await ioi([...args, "--data", this.data]);
  }

  async run(request: string): Promise<RunView> {
    const args = ["run", "--workspace", this.workspace, "--on-ask", "deny", "--json", request];
    const { json, stderr } = await this.ioi(...args);
    if (json === undefined) throw new Error(`no JSON: ${stderr}`);
    return json as RunView;
  }

  asked(name: string): number {
    return this.stub.asked.filter((each) => each === name).length;
  }
}

const summary = ({ actions, error }: RunView): string => {
  const last = actions.at(-1);
  return [last?.verdict ?? "none", last?.outcome?.status, last?.outcome?.code ?? error?.code]
    .filter((part) => part !== undefined && part !== null)
    .join(" ");
};

/** Names: what is decided on before it is looked up, and what is dialled. */
const nameCases = async (world: World): Promise<void> => {
  const { cases, naive, loopback } = world;
  const page = await world.run("/fetch http://site.test/");
  const address = page.actions[0]?.outcome?.evidence["address"] ?? "";
  cases.push(
    caseOf(
      "a page of an allowed host",
      `allow confirmed, ${publicAddress}, looked up 1`,
      `${summary(page)}, ${address}, looked up ${world.asked("site.test")}`,
    ),
  );

  const denied = await world.run("/fetch http://denied.test/");
  const lookedUp = world.asked("denied.test");
  await naive.fetch("http://denied.test/");
  cases.push(
    caseOf(
      "a denied host is never looked up",
      "deny E_ACTION_DENIED, looked up 0",
      `${summary(denied)}, looked up ${lookedUp}`,
      world.asked("denied.test") > lookedUp,
    ),
  );

  const before = world.asked("denied.test");
  const redirect = await world.run("/fetch http://site.test/to?http%3A%2F%2Fdenied.test%2F");
  const after = world.asked("denied.test");
  await naive.fetch("http://site.test/to?http%3A%2F%2Fdenied.test%2F");
  cases.push(
    caseOf(
      "a redirect to a denied host",
      "2 actions, deny E_ACTION_DENIED, looked up 0",
      `${redirect.actions.length} actions, ${summary(redirect)}, looked up ${after - before}`,
      world.asked("denied.test") > after,
    ),
  );

  const target = `http://127.0.0.1:${loopback.port}/`;
  const home = await world.run(`/fetch http://site.test/to?${encodeURIComponent(target)}`);
  const reached = loopback.connections;
  await naive.fetch(`http://site.test/to?${encodeURIComponent(target)}`);
  cases.push(
    caseOf(
      "a redirect to this machine",
      "deny E_ACTION_DENIED, 0 connections",
      `${summary(home)}, ${reached} connections`,
      loopback.connections > reached,
    ),
  );
  await rebindingCases(world);
};

const rebindingCases = async (world: World): Promise<void> => {
  const { cases, naive, loopback } = world;
  const port = loopback.port;
  const before = loopback.connections;
  const rebind = await world.run("/fetch http://rebind.test/");
  const lookedUp = world.asked("rebind.test");
  const seen = loopback.connections - before;
  // Looks up to check, then again to connect.
  await naive.addressOf("rebind.test");
  await naive.fetch(`http://rebind.test:${port}/`);
  cases.push(
    caseOf(
      "rebinding: the address that was checked is dialled",
      `allow confirmed ${publicAddress}, looked up 1, 0 connections`,
      `${summary(rebind)} ${rebind.actions[0]?.outcome?.evidence["address"]}, looked up ${lookedUp}, ${seen} connections`,
      loopback.connections > before,
    ),
  );
  for (const name of ["own.test", "mixed.test"]) {
    const from = loopback.connections;
    const run = await world.run(`/fetch http://${name}:${port}/`);
    const got = loopback.connections - from;
    if (name === "own.test") await naive.fetch(`http://${name}:${port}/`);
    else await probeOutside("127.0.0.1", port);
    cases.push(
      caseOf(
        `a public name that leads to this machine (${name})`,
        "allow no-effect E_EGRESS_ADDRESS, 0 connections",
        `${summary(run)}, ${got} connections`,
        loopback.connections > from + got,
      ),
    );
  }
  const inside = await world.run(`/fetch http://private.test:${world.inside.port}/`);
  const got = world.inside.connections;
  await naive.fetch(`http://private.test:${world.inside.port}/`);
  cases.push(
    caseOf(
      "a public name that leads to a private network",
      "allow no-effect E_EGRESS_ADDRESS, 0 connections",
      `${summary(inside)}, ${got} connections`,
      world.inside.connections > got,
    ),
  );
};

/** Every spelling of an address of this machine. */
const spellingCases = async (world: World, quick: boolean): Promise<void> => {
  const { cases, loopback } = world;
  for (const host of quick ? spellings.slice(0, 4) : spellings) {
    const before = loopback.connections;
    const run = await world.run(`/fetch http://${host}:${loopback.port}/`);
    const got = loopback.connections - before;
    await probeOutside("127.0.0.1", loopback.port);
    cases.push(
      caseOf(
        `the spelling ${host}`,
        "deny E_ACTION_DENIED, 0 connections",
        `${summary(run)}, ${got} connections`,
        loopback.connections > before + got,
      ),
    );
  }
};

/** Sandboxes: nobody connects but those whose network is their own. */
const sandboxCases = async (world: World): Promise<void> => {
  const { cases, loopback } = world;
  const outer = await canary(publicAddress);
  await using held = outer;
  await probeInside("egress", publicAddress, held.port);
  const control = held.connections > 0;
  for (const kind of closedKinds) {
    const before = loopback.connections + held.connections;
    await Promise.all([
      probeInside(kind, "127.0.0.1", loopback.port),
      probeInside(kind, publicAddress, held.port),
    ]);
    const got = loopback.connections + held.connections - before;
    cases.push(caseOf(`a sandbox of kind ${kind}`, "0 connections", `${got} connections`, control));
  }
  const before = loopback.connections + held.connections;
  const attempt = (address: string, port: number): string =>
    `/run bash -c 'exec 3<>/dev/tcp/${address}/${port}'`;
  await world.run(attempt("127.0.0.1", loopback.port));
  await world.run(attempt(publicAddress, held.port));
  const got = loopback.connections + held.connections - before;
  await probeOutside(publicAddress, held.port);
  cases.push(
    caseOf(
      "a command of an agent",
      "0 connections",
      `${got} connections`,
      loopback.connections + held.connections > before + got,
    ),
  );
};

/** Memory of every process of the kernel that must not know the secret, and files. */
const secretHits = async (
  world: World,
  kernel: TestKernel,
  value: string,
): Promise<{ readonly others: string; readonly egress: number; readonly guardian: number }> => {
  const { processes } = await kernel.status();
  const hits = new Map<string, number>();
  for (const { name, pid } of processes) {
    hits.set(name, (hits.get(name) ?? 0) + hitsInMemory(pid, value).hits);
  }
  hits.set("files", hitsInFiles(world.data, value));
  const others = [...hits]
    .filter(([name, count]) => name !== "egress" && name !== "guardian" && count > 0)
    .map(([name, count]) => `${name} ${count}`);
  return {
    others: others.join(", "),
    egress: hits.get("egress") ?? 0,
    guardian: hits.get("guardian") ?? 0,
  };
};

const secretCases = async (world: World, kernel: TestKernel): Promise<void> => {
  const { cases, secure, metrics } = world;
  const value = `canary${process.pid}x${Math.trunc(performance.now() * 1000).toString(36)}secret`;
  const set = await ioi(
    ["secrets", "set", "TOKEN", "--url", `https://${secureName}/`, "--data", world.data],
    { input: `${value}\n` },
  );
  cases.push(caseOf("a secret is entered", "0", String(set.code)));
  const elsewhere = await world.run("/fetch http://site.test/ with TOKEN");
  cases.push(
    caseOf(
      "a secret does not go to another host",
      "E_SECRET_BINDING, 0 sent",
      `${elsewhere.error?.code}, ${world.web.authorizations.filter((each) => each !== undefined).length} sent`,
    ),
  );
  const running = world.run(`/fetch https://${secureName}/wait with TOKEN`);
  const response = await secure.arrived();
  if (process.getuid?.() === 0) {
    const { others, egress, guardian } = await secretHits(world, kernel, value);
    metrics["secretHitsElsewhere"] = others === "" ? 0 : others.split(", ").length;
    metrics["secretHitsEgress"] = egress;
    metrics["secretHitsGuardian"] = guardian;
    cases.push(
      caseOf("a secret in use is in no other process, file or log", "", others, egress > 0),
    );
  } else world.unavailable.push("reading another process's memory needs root");
  response.end("done");
  const view = await running;
  cases.push(
    caseOf(
      "a secret reaches the server it is bound to",
      `allow confirmed, Bearer ${value}`,
      `${summary(view)}, ${secure.authorizations.at(-1)}`,
    ),
  );
  const listed = await world.ioi("secrets", "list", "--json");
  const shown = listed.stdout.includes("TOKEN") && !listed.stdout.includes(value);
  cases.push(caseOf("a secret is listed by name only", "true", String(shown)));
};

/** A stop cuts what is under way and says what the server had received. */
const stopCase = async (world: World): Promise<void> => {
  const running = world.run("/fetch http://site.test/wait");
  const response = await world.web.arrived();
  const closed = once(response, "close");
  const stopped = await world.ioi("stop", "--json");
  await Promise.all([closed, running]);
  const { stopped: list } = stopped.json as {
    readonly stopped: readonly {
      readonly sent: readonly { method: string; url: string; bytes: number }[];
    }[];
  };
  const [sent] = list.flatMap((each) => each.sent);
  world.cases.push(
    caseOf(
      "a stop cuts the connection and says what was sent",
      "GET http://site.test/wait true",
      `${sent?.method} ${sent?.url} ${(sent?.bytes ?? 0) > 0}`,
    ),
  );
};

const environOf = (pid: number): string => {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return "";
  }
};

/** A key in the environment of `ioi start` is in no process's environment afterwards. */
const environmentCase = async (world: World): Promise<void> => {
  const data = world.scratch.at("other");
  const value = `sk-canary-${process.pid}`;
  const { spawn } = await import("node:child_process");
  const cli = path.join(import.meta.dirname, "../../../apps/cli/src/main.ts");
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      cli,
      "start",
      "--no-page",
      "--data",
      data,
      "--port",
      "0",
    ],
    { env: { ...process.env, OPENAI_API_KEY: value }, stdio: ["ignore", "pipe", "ignore"] },
  );
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      if (chunk.includes("LISTENING")) break;
    }
    const pid = child.pid ?? 0;
    const listed = await ioi(["secrets", "list", "--json", "--data", data]);
    const holders = [pid, ...descendantsOf(pid).map((each) => each.pid)].filter((each) =>
      environOf(each).includes(value),
    );
    const control = spawnSync("/bin/cat", ["/proc/self/environ"], {
      env: { OPENAI_API_KEY: value },
      encoding: "latin1",
    });
    world.cases.push(
      caseOf(
        "a key of the environment is in no process's environment",
        "offered true, 0 environments",
        `offered ${listed.stdout.includes('"fromEnvironment":true')}, ${holders.length} environments`,
        control.stdout.includes(value),
      ),
    );
  } finally {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
  }
};

const prepareNetwork = (): void => {
  const steps = [
    ["link", "set", "lo", "up"],
    ["addr", "add", `${publicAddress}/32`, "dev", "lo"],
    ["addr", "add", `${privateAddress}/32`, "dev", "lo"],
  ];
  for (const args of steps) {
    const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
  }
};

const main = async (quick: boolean): Promise<WorldReport> => {
  prepareNetwork();
  const secureFiles = certificateFor(secureName);
  await using stub = await dnsStub(zone);
  await using web = await site(publicAddress, 80);
  await using secure = await site(publicAddress, 443, secureFiles);
  await using loopback = await canary("127.0.0.1");
  await using inside = await canary(privateAddress);
  const world = new World({ stub, web, secure, loopback, inside });
  using _scratch = world.scratch;
  {
    await using kernel = await TestKernel.start({
      data: world.data,
      egress: { resolver: stub.address, authorities: [secureFiles.authority] },
    });
    // Looked at before every decision: the next one is by this.
    fs.writeFileSync(path.join(world.data, "guardian/policy.toml"), policy, { mode: 0o600 });
    await nameCases(world);
    await spellingCases(world, quick);
    await sandboxCases(world);
    await secretCases(world, kernel);
    await stopCase(world);
  }
  await environmentCase(world);
  return { cases: world.cases, metrics: world.metrics, unavailable: world.unavailable };
};

process.stdout.write(`${JSON.stringify(await main(process.argv[2] === "quick"))}\n`);
