/**
 * Programs with a network, in the little world of `suite egress`: what their ticket leases goes, by
 * plain proxy, by tunnel and by SOCKS5; nothing else does, by whatever way they try. Controls: the same
 * program outside of its sandbox, and a client that looks names up by itself.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { type CliResult, ioi } from "../kernel.ts";
import { caseOf, publicAddress, type World } from "./place.ts";
import { type Canary, canary } from "./servers.ts";

export interface ProgramView {
  readonly exitCode: number | null;
  readonly session: string;
  readonly actions: readonly {
    readonly target: string;
    readonly display: string;
    readonly verdict: string | null;
    readonly outcome: {
      readonly status: string;
      readonly code: string | null;
      readonly content: string | null;
      readonly evidence: Readonly<Record<string, string>>;
    } | null;
  }[];
}

const argsOf = (world: World, command: readonly string[], more: readonly string[] = []) => [
  "run",
  "--data",
  world.data,
  "--workspace",
  world.workspace,
  "--json",
  ...more,
  "--",
  ...command,
];

export const run = async (
  world: World,
  command: readonly string[],
  more: readonly string[] = [],
): Promise<ProgramView> => {
  const result: CliResult = await ioi(argsOf(world, command, more));
  if (result.json === undefined) throw new Error(`no JSON: ${result.stderr}`);
  return result.json as ProgramView;
};

/** A script of the workspace: what a program is told there, no policy reads. */
export const script = (world: World, name: string, lines: readonly string[]): readonly string[] => {
  fs.writeFileSync(path.join(world.workspace, name), `${lines.join("\n")}\n`);
  return ["bash", name];
};

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What a program printed, without line ends. */
export const said = ({ actions }: ProgramView): string =>
  (actions[0]?.outcome?.content ?? "").trim().replaceAll("\n", " ");

/** The same script outside of every sandbox, without a proxy. */
const outside = async (world: World, name: string): Promise<void> => {
  const child = spawn("/bin/bash", [path.join(world.workspace, name)], {
    stdio: "ignore",
    env: { PATH: "/usr/bin:/bin" },
  });
  await once(child, "exit");
};

/** A line of a script that prints the status of an answer, of the proxy's own where it is that. */
export const fetch = (...args: readonly string[]): string =>
  `curl -s -m 20 -o /dev/null -w '%{http_connect} %{http_code}\n' ${args.join(" ")}`;

export const lines = (view: ProgramView): readonly string[] =>
  (view.actions[0]?.outcome?.content ?? "").split("\n").map((line) => line.trim());

/** By its lease: three ways in, one log; and a request that says two hosts. */
const leasedCases = async (world: World): Promise<void> => {
  const { cases, web } = world;
  const view = await run(
    world,
    script(world, "lease.sh", [
      "curl -sS -m 20 http://site.test/lease",
      "curl -sS -m 20 --proxytunnel http://site.test/tunnel",
      "curl -sS -m 20 -x socks5h://127.0.0.1:3128 http://site.test/socks",
      fetch("-H 'host: denied.test'", "http://site.test/front"),
    ]),
  );
  const [plain = "", tunnel = "", socks = "", front = ""] = lines(view);
  const evidence = view.actions[0]?.outcome?.evidence ?? {};
  const page = "page of site.test";
  cases.push(
    caseOf("a program's page by its lease", page, plain),
    caseOf("a program's tunnel, which nobody reads", page, tunnel),
    caseOf("a program's SOCKS5", page, socks),
    caseOf(
      "each of them is in the log of its outcome",
      "3 requests, exit 0",
      `${evidence["net_requests"]} requests, exit ${view.exitCode}`,
    ),
  );
  const fronted = web.requests.filter((each) => each.endsWith("/front")).length;
  fs.writeFileSync(
    path.join(world.workspace, "front.sh"),
    `printf 'GET /front HTTP/1.0\\r\\nhost: denied.test\\r\\n\\r\\n' >/dev/tcp/${publicAddress}/80\n`,
  );
  await outside(world, "front.sh");
  while (!web.requests.includes("GET denied.test /front")) await soon();
  cases.push(
    caseOf(
      "a host that is not the URL's is no request",
      "000 400, 0 requests",
      `${front}, ${fronted} requests`,
      true,
    ),
  );
};

const spelled = ["0x7f.1", "2130706433", "[::ffff:127.0.0.1]"];
const leading = ["home.test", "both.test"];

/** Outside of it: nothing is looked up, nothing is reached. */
const outsideCases = async (world: World, home: Canary): Promise<void> => {
  const { cases, naive } = world;
  const before = home.connections;
  const view = await run(
    world,
    script(world, "outside.sh", [
      fetch("https://never.test/"),
      fetch("https://unlisted.test/"),
      ...leading.map((name) => fetch(`http://${name}/`)),
      ...spelled.map((host) => fetch(`'http://${host}/'`)),
    ]),
  );
  const got = home.connections - before;
  const [never = "", unlisted = "", ...rest] = lines(view);
  const asked = ["never.test", "unlisted.test"].map((name) => world.asked(name));
  await naive.addressOf("never.test").catch(() => "");
  await naive.fetch("http://home.test/");
  const harm = home.connections > before + got;
  const judged = view.actions.slice(1).map(({ display, verdict }) => `${display} ${verdict}`);
  cases.push(
    caseOf(
      "a program's denied host is never looked up, and has a verdict of its own",
      "403 000, net::connect never.test 443 deny, looked up 0",
      `${never}, ${judged[0]}, looked up ${asked[0]}`,
      world.asked("never.test") > 0,
    ),
    caseOf(
      "a host beyond the lease asks, and nobody answers",
      "403 000, net::connect unlisted.test 443 deny, looked up 0",
      `${unlisted}, ${judged[1]}, looked up ${asked[1]}`,
    ),
    ...leading.map((name, at) =>
      caseOf(
        `a program's leased name that leads to this machine (${name})`,
        "000 403, 0 connections",
        `${rest[at]}, ${got} connections`,
        harm,
      ),
    ),
    ...spelled.map((host, at) =>
      caseOf(
        `a program's spelling ${host}`,
        "000 403, 0 connections",
        `${rest[leading.length + at]}, ${got} connections`,
        harm,
      ),
    ),
  );
  const named = await run(
    world,
    ["curl", "-s", "-m", "20", "https://unlisted.test/"],
    ["--network", "unlisted.test"],
  );
  cases.push(
    caseOf(
      "a host that the person names is opened, looked up once and not there",
      "exit 56, net::connect unlisted.test 443 allow, looked up 1",
      `exit ${named.exitCode}, ${named.actions[1]?.display} ${named.actions[1]?.verdict}, ` +
        `looked up ${world.asked("unlisted.test")}`,
    ),
  );
};

/** Past the proxy: there is nothing there. */
const pastCases = async (world: World, home: Canary): Promise<void> => {
  const { cases, stub } = world;
  await using held = await canary(publicAddress);
  const [address = "", port = ""] = stub.address.split(":");
  // An ordinary question for stolen.site.test, by hand; and by the C library.
  const question =
    "\\x00\\x07\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00" +
    "\\x06stolen\\x04site\\x04test\\x00\\x00\\x01\\x00\\x01";
  const past = script(world, "past.sh", [
    `exec 3<>/dev/tcp/127.0.0.1/80 && echo reached`,
    `exec 3<>/dev/tcp/${publicAddress}/${held.port} && echo reached`,
    `printf '${question}' >/dev/udp/${address}/${port}`,
    "getent hosts stolen.site.test && echo found",
    "echo tried",
  ]);
  const before = home.connections + held.connections;
  const direct = await run(world, past);
  const got = home.connections + held.connections - before;
  const asked = world.asked("stolen.site.test");
  await outside(world, "past.sh");
  while (world.asked("stolen.site.test") === 0) await soon();
  cases.push(
    caseOf(
      "a program that dials past its proxy",
      "tried, 0 connections",
      `${said(direct).split(" ").at(-1)}, ${got} connections`,
      home.connections + held.connections > before + got,
    ),
    caseOf(
      "a program that writes into names: no resolver is there",
      "tried, asked 0",
      `${said(direct).split(" ").at(-1)}, asked ${asked}`,
      true,
    ),
  );
};

/** Proxies that are half spoken, or spoken crookedly. */
const crookedCases = async (world: World): Promise<void> => {
  const { cases } = world;
  const crooked = script(world, "crooked.sh", [
    "exec 3<>/dev/tcp/127.0.0.1/3128",
    "printf '\\x05\\x01\\x00' >&3; head -c 2 <&3 >/dev/null",
    "printf '\\x05\\x01\\x00\\x03\\x0asite.test\\x00\\x00\\x50' >&3",
    "head -c 2 <&3 | od -An -tx1",
    "exec 4<>/dev/tcp/127.0.0.1/3128",
    "printf 'POST http://site.test/two HTTP/1.1\\r\\nhost: site.test\\r\\ncontent-length: 4\\r\\n' >&4",
    "printf 'transfer-encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n' >&4; head -1 <&4",
    "for fd in $(seq 10 120); do",
    '  eval "exec $fd<>/dev/tcp/127.0.0.1/3128; printf CONNECT >&$fd"',
    "done 2>/dev/null",
    "echo held",
  ]);
  const view = await run(world, crooked);
  const [hidden = "", smuggled = "", held = ""] = lines(view);
  const through = world.web.requests.filter((each) => each.endsWith("/two")).length;
  const again = await run(world, ["curl", "-sS", "-m", "20", "http://site.test/after"]);
  cases.push(
    caseOf("NUL in a SOCKS5 host is no host", "05 08", hidden),
    caseOf(
      "a request with two lengths is none",
      "HTTP/1.1 400 Bad Request, 0 requests",
      `${smuggled}, ${through} requests`,
    ),
    caseOf(
      "a program that floods its way out with half requests: it ends, and the next one is served",
      "held, exit 0; page of site.test",
      `${held.slice(-4)}, exit ${view.exitCode}; ${said(again)}`,
    ),
  );
};

/** What a terminal reaches was said when it was opened; nobody stands beside it to be asked. */
const terminalCases = async (world: World): Promise<void> => {
  const { cases, naive, web } = world;
  const typed = [
    "curl -s -m 20 http://site.test/terminal",
    fetch("https://beyond.test/"),
    fetch("https://never.test/"),
  ];
  fs.writeFileSync(path.join(world.workspace, "typed.sh"), `${typed.join("\n")}\n`);
  const use = (how: string) =>
    world.run(`/shell open${how} && /shell type "bash typed.sh" && /shell close`);
  const before = world.asked("never.test");
  const view = await use(" --network");
  const shown = view.actions[1]?.outcome?.content ?? "";
  const { net_requests: requests, net_refused: refusals } =
    view.actions[2]?.outcome?.evidence ?? {};
  const asked = world.asked("beyond.test") + world.asked("never.test") - before;
  const sent = (): number => web.requests.filter((each) => each.endsWith("/terminal")).length;
  const reached = sent();
  await use("");
  const without = sent() - reached;
  await naive.addressOf("beyond.test").catch(() => "");
  await naive.fetch("http://site.test/terminal");
  cases.push(
    caseOf(
      "a terminal's page by the lease of its opening; what went over is in the outcome of its end",
      "page of site.test, 1 request, 2 refused",
      `${/page of site\.test/.exec(shown)?.[0]}, ${requests} request, ${refusals} refused`,
    ),
    caseOf(
      "a terminal's other hosts are refused at once, and never looked up",
      "403 000, 403 000, 3 actions, looked up 0",
      `${shown.match(/403 000/g)?.join(", ")}, ${view.actions.length} actions, looked up ${asked}`,
      world.asked("beyond.test") > 0,
    ),
    caseOf(
      "a terminal that was opened without a network",
      "0 requests",
      `${without} requests`,
      sent() > reached,
    ),
  );
};

/** A stop cuts what a program holds open. */
export const programStopCase = async (world: World): Promise<void> => {
  const { cases, web, data } = world;
  const arrived = web.arrived();
  const held = run(world, ["curl", "-s", "-m", "20", "http://site.test/wait"]);
  const response = await arrived;
  const closed = new Promise<string>((resolve) => response.once("close", () => resolve("cut")));
  const { json } = await ioi(["sessions", "list", "--json", "--limit", "20", "--data", data]);
  const { sessions } = json as {
    readonly sessions: readonly { readonly session: string; readonly state: string }[];
  };
  const session = sessions.find(({ state }) => state === "performing")?.session ?? "none";
  const stop = await ioi(["stop", session, "--data", data]);
  const cut = await closed;
  const view = await held;
  cases.push(
    caseOf(
      "a stop cuts what a program holds open, and says what had been sent",
      "0, cut, exit null, site.test named",
      `${stop.code}, ${cut}, exit ${view.exitCode}, ` +
        `${/site\.test/.test(stop.stdout + stop.stderr) ? "site.test named" : stop.stdout + stop.stderr}`,
    ),
  );
};

export const programCases = async (world: World): Promise<void> => {
  await using home = await canary("127.0.0.1", 80);
  await leasedCases(world);
  await outsideCases(world, home);
  await pastCases(world, home);
  await crookedCases(world);
  await terminalCases(world);
};
