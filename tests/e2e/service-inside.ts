/** What `service.test.ts` runs as root over a copy of /etc of its own. Says "all of it" in the end. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ioi } from "../lib/kernel.ts";
import { commandLineOf, descendantsOf } from "../lib/processes.ts";

const data = "/var/lib/ioi";
const cli = fileURLToPath(new URL("../../apps/cli/src/main.ts", import.meta.url));
const quiet = "--disable-warning=ExperimentalWarning";
const person = "ioi-test-person";

const root = (...argv: readonly string[]): void => {
  const [program = "", ...args] = argv;
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
};

interface ServiceView {
  readonly installed: boolean;
  readonly users: readonly { readonly name: string; readonly uid: number }[];
  readonly steps: readonly string[];
}
const service = async (code: number, ...args: readonly string[]): Promise<ServiceView> => {
  const ran = await ioi(["service", ...args, "--json"]);
  assert.equal(ran.code, code, ran.stdout + ran.stderr);
  return ran.json as ServiceView;
};

/** A program as a user of the machine; its exit code and what it said. */
const as = (uid: number, argv: readonly string[]) => {
  const user = [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--inh-caps=-all", "--"];
  return spawnSync("setpriv", [...user, ...argv], {
    encoding: "utf8",
    cwd: "/",
    env: { PATH: "/usr/bin:/bin", HOME: `/var/lib/${person}`, NO_COLOR: "1" },
  });
};

root("useradd", "--create-home", "--base-dir", "/var/lib", person);
const passwd = (): string => fs.readFileSync("/etc/passwd", "utf8");
const before = [passwd(), fs.readFileSync("/etc/group", "utf8")];
const untouched = (): void => {
  assert.deepEqual([passwd(), fs.readFileSync("/etc/group", "utf8")], before);
  assert.deepEqual(fs.readdirSync("/var/lib"), [person]);
};
const uidOf = (name: string): number =>
  Number(new RegExp(`^${name}:[^:]*:(\\d+):`, "m").exec(passwd())?.[1]);

// Shown, and not done.
const shown = await service(0, "install", "--person", person, "--dry-run");
assert.ok(shown.steps.some((step) => /^useradd .* ioi-guardian$/.test(step)));
assert.equal(shown.installed, false);
untouched();

// Refused, and nothing begun stays: a user of the name, somebody unknown, an ordinary user.
await service(2, "install", "--person", "nobody-of-this-name");
root("useradd", "ioi-console");
await service(5, "install", "--person", person);
root("userdel", "ioi-console");
untouched();
const asPerson = as(uidOf(person), [
  process.execPath,
  quiet,
  cli,
  "service",
  "install",
  "--person",
  person,
]);
assert.match(asPerson.stderr, /E_CLI_SERVICE_ROOT/);
untouched();

const installed = await service(0, "install", "--person", person);
assert.deepEqual(
  installed.users.map(({ name }) => name),
  ["guardian", "egress", "workload", "orchestrator", "console", "drivers"].map(
    (each) => `ioi-${each}`,
  ),
);
assert.equal(new Set(installed.users.map(({ uid }) => uid)).size, 6);
await service(5, "install", "--person", person);

const asPersonStarts = as(uidOf(person), [process.execPath, quiet, cli, "start", "--data", data]);
assert.notEqual(asPersonStarts.status, 0);

const kernel = spawn(
  process.execPath,
  [quiet, cli, "start", "--data", data, "--port", "0", "--no-page"],
  { stdio: ["ignore", "pipe", "inherit"] },
);
try {
  for await (const chunk of kernel.stdout as AsyncIterable<Buffer>) {
    if (chunk.includes("LISTENING")) break;
  }
  await runsApart();
} finally {
  kernel.kill("SIGTERM");
  if (kernel.exitCode === null) await once(kernel, "exit");
}

await service(2, "uninstall");
await service(0, "uninstall", "--dry-run");
assert.equal((await service(0, "status")).installed, true);
await service(0, "uninstall", "--delete-data");
untouched();
process.stdout.write("all of it\n");

async function runsApart(): Promise<void> {
  const workspace = `/var/lib/${person}/work`;
  fs.mkdirSync(workspace);
  fs.chownSync(workspace, uidOf(person), uidOf(person));
  const run = ["run", "--data", data, "--workspace", workspace, "--json"];
  const did = as(uidOf(person), [
    process.execPath,
    quiet,
    cli,
    ...run,
    "/write a.txt x && /run sh -c 'cat a.txt > b.txt'",
  ]);
  assert.equal(did.status, 0, did.stdout + did.stderr);
  for (const name of ["a.txt", "b.txt"]) {
    assert.equal(fs.statSync(path.join(workspace, name)).uid, uidOf(person), name);
  }
  const { processes } = (await ioi(["status", "--data", data, "--json"])).json as {
    readonly processes: readonly {
      readonly name: string;
      readonly pid: number;
      readonly uid: number;
    }[];
  };
  const uids = new Map(processes.map(({ name, uid }) => [name, uid]));
  for (const role of ["guardian", "egress", "workload", "orchestrator"]) {
    assert.equal(uids.get(role), uidOf(`ioi-${role}`), role);
  }
  // As the kernel of the machine sees them.
  const pid = kernel.pid ?? 0;
  const owners = new Set(
    descendantsOf(pid)
      .filter((each) =>
        /apps\/(guardian|egress|workload|orchestrator)\/src\/main\.ts/.test(commandLineOf(each)),
      )
      .map((each) => fs.statSync(`/proc/${each.pid}`).uid),
  );
  assert.ok(owners.size === 0 || !owners.has(uidOf(person)));
  const policy = path.join(data, "guardian/policy.toml");
  assert.equal(fs.readFileSync(policy, "utf8").includes("version = 1"), true);
  assert.equal(as(uidOf("ioi-guardian"), ["/bin/cat", policy]).status, 0);
  const others = [
    person,
    "ioi-egress",
    "ioi-workload",
    "ioi-orchestrator",
    "ioi-console",
    "ioi-drivers",
  ];
  for (const name of others) {
    assert.notEqual(as(uidOf(name), ["/bin/cat", policy]).status, 0, name);
    assert.notEqual(as(uidOf(name), ["/bin/ls", path.join(data, "guardian")]).status, 0, name);
  }
  await memoryIsApart(processes.find(({ name }) => name === "guardian")?.pid ?? 0);
}

/** By the user of the kernel's owner, and by the Guardian's own: it cannot be dumped. */
async function memoryIsApart(guardian: number): Promise<void> {
  const read = (pid: number): string =>
    `open M,"</proc/${pid}/maps" or exit 1; <M>=~/^(\\w+)/; open F,"</proc/${pid}/mem" or exit 1; sysseek F,hex $1,0; exit(sysread(F,$b,8)==8?0:1)`;
  for (const user of [person, "ioi-guardian"]) {
    const uid = uidOf(user);
    assert.notEqual(as(uid, ["perl", "-e", read(guardian)]).status, 0, user);
    // The control: another program of the same user.
    const own = spawn("setpriv", [
      `--reuid=${uid}`,
      `--regid=${uid}`,
      "--clear-groups",
      "sleep",
      "600",
    ]);
    await once(own, "spawn");
    while (!fs.readFileSync(`/proc/${own.pid}/cmdline`, "utf8").startsWith("sleep")) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(as(uid, ["perl", "-e", read(own.pid ?? 0)]).status, 0, user);
    own.kill("SIGKILL");
    await once(own, "exit");
  }
}
