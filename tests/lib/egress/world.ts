/**
 * The world of `suite egress` itself: run inside a network namespace of its own, whose loopback
 * interface also has a public and a private address, so that "the Internet" is this machine and
 * nothing else. Prints the cases as JSON.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { encodeCanonical } from "@ioi/wire";
import { TestKernel } from "../kernel.ts";
import { dnsStub } from "./dns-stub.ts";
import {
  caseOf,
  policy,
  privateAddress,
  publicAddress,
  secureName,
  spellings,
  summary,
  World,
  type WorldReport,
  zone,
} from "./place.ts";
import { interceptCases } from "./intercept-cases.ts";
import { programCases, programStopCase } from "./program-cases.ts";
import { closedKinds, probeInside, probeOutside } from "./probes.ts";
import { environmentCase, secretCases, stopCase } from "./secret-cases.ts";
import { brokenPage, canary, certificateFor, site } from "./servers.ts";

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
  await flowCases(world);
};

/** By the definition: what the outcome says of a flow can be computed again. */
const flowLog = (url: string, entries: readonly (readonly [number, number])[]): string => {
  let link: Uint8Array = new Uint8Array(32);
  for (const [status, bytes] of entries) {
    const entry = encodeCanonical({ method: "GET", url, status, bytes });
    const domain = Buffer.from("ioi/egress/flow-log/v1\0");
    link = createHash("sha256")
      .update(Buffer.concat([domain, link, entry]))
      .digest();
  }
  return Buffer.from(link).toString("hex");
};

/** An answer that breaks off goes on under the same ticket. */
const flowCases = async (world: World): Promise<void> => {
  const { cases, web } = world;
  const url = "http://site.test/broken";
  const run = await world.run(`/fetch ${url}`);
  const { content, evidence } = run.actions[0]?.outcome ?? {};
  const log = flowLog(url, [
    [200, 10],
    [206, brokenPage.length - 10],
  ]);
  const whole = content === brokenPage && evidence?.["request_log"] === log;
  const seen = (path: string): number => web.requests.filter((each) => each.endsWith(path)).length;
  // The control: a server that does not go on leaves it broken, after one more request.
  const other = await world.run(`/fetch ${url}-for-good`);
  cases.push(
    caseOf(
      "an answer that breaks off goes on under its ticket, and its log says so",
      "1 action, whole and logged, 2 requests",
      `${run.actions.length} action, ${whole ? "whole and logged" : `${content} ${JSON.stringify(evidence)}`}, ` +
        `${seen("/broken")} requests`,
      other.actions[0]?.outcome?.code === "E_EGRESS_RESPONSE" && seen("/broken-for-good") === 2,
    ),
  );
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
  const { cases } = world;
  await using loopback = await canary("127.0.0.1");
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
  const { cases } = world;
  await using loopback = await canary("127.0.0.1");
  await using held = await canary(publicAddress);
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
  // Believed as this machine's own: nothing else knows it.
  const store = world.scratch.at("authorities.pem");
  fs.writeFileSync(store, secureFiles.authority);
  Object.assign(process.env, { SSL_CERT_FILE: store, SSL_CERT_DIR: world.scratch.folder("none") });
  {
    await using kernel = await TestKernel.start({
      data: world.data,
      egress: { resolver: stub.address },
    });
    // Looked at before every decision: the next one is by this.
    fs.writeFileSync(path.join(world.data, "guardian/policy.toml"), policy, { mode: 0o600 });
    await Promise.all([nameCases(world), spellingCases(world, quick), sandboxCases(world)]);
    await Promise.all([secretCases(world, kernel), environmentCase(world)]);
    await programCases(world);
    await interceptCases(world);
    await stopCase(world);
    await programStopCase(world);
  }
  return { cases: world.cases, metrics: world.metrics, unavailable: world.unavailable };
};

process.stdout.write(`${JSON.stringify(await main(process.argv[2] === "quick"))}\n`);
