/**
 * What programs hold open through egress is cut within a second of a stop: of a command, and of a
 * terminal that nobody is typing into. The server says when: the moment at which its end of the
 * connection closed. The control: the same program outside of the kernel, which nobody cuts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { SuiteCase } from "../../suites/suite.ts";
import { ioi } from "../kernel.ts";

const hostName = "held.test";

export interface HeldRequest {
  /** When its connection ends, by the clock of this process. */
  readonly closed: Promise<number>;
}

/** Answers nothing, and knows when each connection ended. */
export class HoldingSite implements AsyncDisposable {
  readonly #server = http.createServer();
  readonly #waiting: ((request: HeldRequest) => void)[] = [];
  readonly #arrived: HeldRequest[] = [];

  private constructor() {
    this.#server.on("request", (request) => {
      const closed = once(request.socket, "close").then(() => performance.now());
      const take = this.#waiting.shift();
      if (take === undefined) this.#arrived.push({ closed });
      else take({ closed });
    });
  }

  static async open(): Promise<HoldingSite> {
    const site = new HoldingSite();
    site.#server.listen(0, "127.0.0.1");
    await once(site.#server, "listening");
    return site;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next request has come. */
  async next(): Promise<HeldRequest> {
    return this.#arrived.shift() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Every name is this machine's: the site's. */
export const heldZone = (): readonly string[] => ["127.0.0.1"];

const policyOf = (port: number): string => `version = 1
[[rule]]
id = "run"
effect = "allow"
target = ["sys::exec"]
where.argv = { profile = "closed" }
network = [{ host = "${hostName}", port = ${port}, address = ["loopback"] }]
[[rule]]
id = "terminal"
effect = "allow"
target = ["sys::shell"]
where.cwd = { glob = "scope:/**" }
network = [{ host = "${hostName}", port = ${port}, address = ["loopback"] }]
`;

export interface Held {
  readonly cases: readonly SuiteCase[];
  /** From the request to stop to the end of the connection, at most. */
  readonly connectionCutMsMax: number;
}

/** What a person sends, and what then holds a connection while nothing else is done. */
const ways: readonly (readonly [string, (url: string) => string])[] = [
  ["program", (url) => `/run --network curl -s -m 60 ${url}`],
  [
    "terminal",
    (url) => `/shell open --network && /shell type "curl -s -m 60 ${url} &" && /run sleep 60`,
  ],
];

const outlives = async (port: number, site: HoldingSite): Promise<boolean> => {
  const shell: ChildProcess = spawn("sh", ["-c", `curl -s -m 9 http://127.0.0.1:${port}/ & wait`], {
    stdio: "ignore",
  });
  const { closed } = await site.next();
  shell.kill("SIGTERM");
  await once(shell, "exit");
  const still = await Promise.race([
    closed.then(() => false),
    new Promise<boolean>((resolve) => setTimeout(resolve, 200, true)),
  ]);
  return still;
};

/** With a kernel whose resolver answers as `heldZone` says. */
export const cuts = async (
  data: string,
  workspace: string,
  progress: (text: string) => void,
): Promise<Held> => {
  await using site = await HoldingSite.open();
  const file = path.join(data, "guardian/policy.toml");
  const before = fs.readFileSync(file, "utf8");
  const lay = (text: string): void => {
    fs.writeFileSync(`${file}.new`, text, { mode: 0o600 });
    fs.renameSync(`${file}.new`, file);
  };
  lay(policyOf(site.port));
  const cases: SuiteCase[] = [];
  let connectionCutMsMax = 0;
  try {
    for (const [name, said] of ways) {
      progress(`stop: connection of a ${name}`);
      const url = `http://${hostName}:${site.port}/`;
      const running = ioi(["run", "--data", data, "--workspace", workspace, "--json", said(url)]);
      const came = site.next();
      const failed = running.then(({ stderr, stdout }) => {
        throw new Error(`${name} ended before it held a connection: ${stderr}${stdout}`);
      });
      const { closed } = await Promise.race([came, failed]);
      failed.catch(() => undefined);
      await using channel = await dial(path.join(data, "run/workload.sock"));
      const askedMs = performance.now();
      const stopping = client(pb.Sessions, channel).stop({ session: "" }, { deadlineMs: 15_000 });
      const cutMs = Math.round((await closed) - askedMs);
      connectionCutMsMax = Math.max(connectionCutMsMax, cutMs);
      const { stopped } = await stopping;
      await running;
      const control = await outlives(site.port, site);
      cases.push({
        id: `stop-connection-${name}`,
        outcome: stopped.length === 1 ? "passed" : "failed",
        expected: "one session stopped, its connection at an end",
        actual: `${stopped.length} stopped, after ${cutMs} ms`,
        control: control ? "harmed" : "harmless",
      });
    }
  } finally {
    lay(before);
  }
  return { cases, connectionCutMsMax };
};
