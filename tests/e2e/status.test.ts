/** What can be seen of a running kernel, by whom, and what never can: content. */
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import * as shapes from "../report/shapes.ts";
import { Place } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
  fs.writeFileSync(path.join(place.workspace, "a.txt"), "hi\n");
});
after(async () => await place[Symbol.asyncDispose]());

const get = (url: string, host?: string, method = "GET") =>
  new Promise<{ status: number; body: string }>((resolve, reject) => {
    const [name, port] = place.kernel.httpAddress.split(":");
    const headers = host === undefined ? {} : { host };
    const request = http.request({ host: name, port, path: url, method, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.once("error", reject).end();
  });

test("healthz, readyz, metrics on loopback, for no other Host and no other method", async () => {
  assert.match(place.kernel.httpAddress, /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(await get("/healthz"), { status: 200, body: "ok\n" });
  assert.deepEqual(await get("/readyz"), { status: 200, body: "ready\n" });
  const metrics = await get("/metrics");
  assert.equal(metrics.status, 200);
  assert.match(metrics.body, /^# TYPE \w+ (?:gauge|counter|histogram)$/m);
  assert.match(metrics.body, /^\w+(?:\{.*\})? [0-9.e+-]+$/m);
  for (const name of ["launcher", "guardian", "workload", "orchestrator"]) {
    const series = new RegExp(`^ioi_process_cpu_seconds_total\\{process="${name}"\\} `, "m");
    assert.match(metrics.body, series, "the series of every process, in one answer");
  }
  assert.equal(metrics.body.match(/^# TYPE ioi_process_cpu_seconds_total /gm)?.length, 1);
  const port = place.kernel.httpAddress.split(":")[1];
  for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1:1", "0.0.0.0"]) {
    assert.equal((await get("/metrics", host)).status, 421, host);
  }
  assert.equal((await get("/healthz", `localhost:${port}`)).status, 200);
  assert.equal((await get("/healthz", undefined, "POST")).status, 405);
  assert.equal((await get("/../etc/passwd")).status, 404);
});

/** Unary, with messages written by hand: nothing of the project's own client takes part. */
const callGrpc = (method: string, request: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const foreign = new grpc.Client(place.kernel.rpcAddress, grpc.credentials.createInsecure());
    const same = (bytes: Buffer): Buffer => bytes;
    foreign.makeUnaryRequest(method, same, same, request, (error, reply) => {
      foreign.close();
      if (error) reject(error);
      else resolve(reply ?? Buffer.alloc(0));
    });
  });

test("an independent gRPC client: health, status, and nothing of the kernel's own services", async () => {
  const check = (service: string): Promise<Buffer> =>
    callGrpc(
      "/grpc.health.v1.Health/Check",
      Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]),
    );
  const serving = Buffer.from([0x08, 1]);
  assert.deepEqual(await check(""), serving);
  assert.deepEqual(await check("ioi.public.v1.Node"), serving);
  assert.deepEqual(await check("ioi.kernel.v1.Gate"), Buffer.from([0x08, 3]));
  const status = await callGrpc("/ioi.public.v1.Node/Status", Buffer.alloc(0));
  assert.ok(status.includes("mode-0") && status.includes("no rollback protection"));
  for (const method of ["Gate/OpenSession", "Person/Utter", "Sessions/List", "Kernel/Shutdown"]) {
    await assert.rejects(
      callGrpc(`/ioi.kernel.v1.${method}`, Buffer.alloc(0)),
      { code: grpc.status.UNIMPLEMENTED },
      method,
    );
  }
});

test("status: processes that are there, each in its sandbox; policy, receipts, no hidden wait", async () => {
  const { code, json } = await place.ioi("status", "--json");
  assert.equal(code, 0);
  const status = json as {
    rpc: string;
    processes: { name: string; pid: number; state: string; sandbox: string[]; pssMiB: number }[];
    policy: { error: string | null };
    receipts: { durable: boolean };
    approvals: unknown[];
    restarts: number;
  };
  assert.deepEqual(
    status.processes.map(({ name, state }) => `${name} ${state}`),
    ["launcher", "guardian", "workload", "egress", "orchestrator"].map((name) => `${name} running`),
  );
  for (const { name, pid, sandbox, pssMiB } of status.processes) {
    assert.ok(fs.existsSync(`/proc/${pid}`) && pssMiB > 1, name);
    if (name !== "launcher") assert.ok(sandbox.length > 0, name);
  }
  assert.equal(status.rpc, place.kernel.rpcAddress);
  assert.deepEqual(
    [status.policy.error, status.receipts.durable, status.approvals, status.restarts],
    [null, true, [], 0],
  );
});

test("doctor: tried, held, escaped, with gaps, and an exit code that says the same", async () => {
  const policy = path.join(place.data, "guardian/policy.toml");
  const kept = fs.readFileSync(policy);
  fs.writeFileSync(policy, "version = 1\nsurely = not\n");
  const { code, json, stdout } = await place.ioi("doctor", "--json");
  assert.deepEqual(shapes.doctorReport(json, "$"), [], stdout.slice(0, 500));
  const view = json as {
    ok: boolean;
    tried: number;
    escaped: number;
    processes: unknown[];
    gaps: { id: string; install: string | null }[];
  };
  const gap = view.gaps.find(({ id }) => id === "policy");
  assert.equal(gap?.install, `./ioi policy lint --data ${place.data}`, "typed as it stands");
  const linted = await place.ioi(...gap.install.split(" ").slice(1));
  fs.writeFileSync(policy, kept);
  assert.match(linted.stdout + linted.stderr, /policy\.toml:2:/);
  assert.equal(linted.code, 6);
  assert.equal(code === 0, view.ok);
  assert.equal(code === 6, view.escaped > 0);
  assert.ok(view.tried >= 60);
  assert.ok(view.processes.length >= 4);
});

test("logs: structured, with ids, without content: a canary that was read, written and run", async () => {
  const canary = "canary-4f1c9d";
  fs.writeFileSync(path.join(place.workspace, "canary.txt"), `${canary}\n`);
  const ran = await place.run(
    `/read canary.txt && /write copy.txt ${canary} && /find text ${canary} && /run echo ${canary}`,
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.action.outcome?.content, `${canary}\n`);
  const denied = await place.run(`/read /etc/${canary}`);
  assert.equal(denied.code, 3);
  const folder = path.join(place.data, "logs");
  const lines = fs
    .readdirSync(folder)
    .flatMap((name) => fs.readFileSync(path.join(folder, name), "utf8").trim().split("\n"));
  assert.deepEqual(
    lines.filter((line) => line.includes(canary)),
    [],
  );
  assert.ok(
    lines.some((line) => line.includes(ran.view.session)),
    "the control: it was logged",
  );
  for (const line of lines) assert.equal(typeof JSON.parse(line), "object");
  const told = await place.ioi("logs", "--json", "--lines", "5", "--session", ran.view.session);
  assert.equal(told.code, 0);
  for (const line of told.stdout.trim().split("\n")) assert.match(line, /^\{.*\}$/);
  // Receipts and journals of the public side hold none either.
  const blocks = "orchestrator/chain/chain-0000000000000001.log";
  for (const name of ["orchestrator/commitments.log", blocks, "guardian/receipts.log"]) {
    assert.ok(!fs.readFileSync(path.join(place.data, name)).includes(canary), name);
  }
});

test("the data folder is the person's alone: folders 0700, files 0600, whatever the umask", async () => {
  await place.run("/write .m x && /list", "--on-ask", "pend");
  const open: string[] = [];
  const look = (at: string): void => {
    const stat = fs.lstatSync(at);
    const wanted = stat.isDirectory() ? 0o700 : 0o600;
    // The kernel of the system makes the inner folder of an overlay without any permission.
    if ((stat.mode & 0o777 & ~wanted) !== 0) open.push(`${(stat.mode & 0o777).toString(8)} ${at}`);
    if (stat.isDirectory()) for (const name of fs.readdirSync(at)) look(path.join(at, name));
  };
  look(place.data);
  assert.deepEqual(open, []);
  assert.equal(fs.statSync(place.data).mode & 0o777, 0o700);
  assert.ok(fs.existsSync(path.join(place.data, "FORMAT")));
});

test("a kernel process that dies is replaced with all the others; what was acknowledged stays", async () => {
  const ran = await place.run("/write kept.txt x");
  const before = (await place.kernel.status()).processes;
  const victim = before.find(({ name }) => name === "guardian")?.pid ?? 0;
  process.kill(victim, "SIGKILL");
  const next = await place.run("/read kept.txt");
  assert.equal(next.code, 0, next.stderr);
  assert.equal((await place.show(ran.view.session)).state, "done");
  const { restarts, processes } = await place.kernel.status();
  assert.equal(restarts, 1);
  const pids = new Set(before.filter(({ name }) => name !== "launcher").map(({ pid }) => pid));
  assert.ok(processes.every(({ pid }) => !pids.has(pid)));
});
