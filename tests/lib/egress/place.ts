/** The little world of `suite egress`: its servers, its names, a kernel's command line in it. */
import dns from "node:dns";
import http from "node:http";
import net from "node:net";
import { once } from "node:events";
import type { SuiteCase } from "../../suites/suite.ts";
import { type CliResult, ioi, Scratch } from "../kernel.ts";
import type { DnsStub } from "./dns-stub.ts";
import type { Canary, Site } from "./servers.ts";

export interface WorldReport {
  readonly cases: readonly SuiteCase[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly unavailable: readonly string[];
}

export const publicAddress = "8.8.8.8";
export const privateAddress = "10.1.2.3";
export const secureName = "securehost";

export const policy = `version = 1
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
network = [
  { host = "site.test", port = 80 },
  { host = "home.test", port = 80 },
  { host = "both.test", port = 80 },
]
[[rule]]
id = "terminal"
effect = "allow"
target = ["sys::shell"]
where.cwd = { glob = "scope:/**" }
network = [{ host = "site.test", port = 80 }, { host = "never.test", port = 443 }]
[[rule]]
id = "no-tunnel"
effect = "deny"
target = ["net::connect"]
where.host = { equals = "never.test" }
`;

export const zone = (name: string, nth: number): readonly string[] | undefined => {
  switch (name) {
    case "site.test":
    case "denied.test":
    case secureName:
      return [publicAddress];
    case "rebind.test":
      return [nth === 0 ? publicAddress : "127.0.0.1"];
    case "own.test":
    case "home.test":
      return ["127.0.0.1"];
    case "both.test":
      return [publicAddress, "127.0.0.1"];
    case "private.test":
      return [privateAddress];
    case "mixed.test":
      return [publicAddress, "127.0.0.1"];
    default:
      return undefined;
  }
};

export const spellings = [
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

export interface RunView {
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

export const caseOf = (
  id: string,
  expected: string,
  actual: string,
  harm?: boolean,
): SuiteCase => ({
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

export class World {
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

export const summary = ({ actions, error }: RunView): string => {
  const last = actions.at(-1);
  return [last?.verdict ?? "none", last?.outcome?.status, last?.outcome?.code ?? error?.code]
    .filter((part) => part !== undefined && part !== null)
    .join(" ");
};
