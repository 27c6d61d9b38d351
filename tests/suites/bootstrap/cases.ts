/** The cases of suite `bootstrap`; each says what it expected and what it saw. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type Ended, type Lab, readyLine, startCommand, stayCommand, within } from "./lab.ts";

export interface Verdict {
  readonly passed: boolean;
  readonly expected: string;
  readonly actual: string;
  readonly metrics?: Readonly<Record<string, number>>;
  /** Set where this machine cannot show it. */
  readonly skipped?: string;
}

/**
 * `cold` and then `warm` come first, `warm` with nothing beside it, for it is measured; `bare` needs
 * nothing installed and goes beside `cold`; `installed` works in the one copy that is installed, `own`
 * in copies made from it: a lane each, one after the other within it.
 */
export type Lane = "cold" | "warm" | "bare" | "installed" | "own";

export interface BootstrapCase {
  readonly id: string;
  /** Left out of quick runs. */
  readonly slow?: boolean;
  readonly lane: Lane;
  run(lab: Lab): Promise<Verdict>;
}

const coldMsMax = 120_000;
const warmMsMax = 3_000;
const offlineMsMax = 30_000;
const goneMsMax = 3_000;
/** A registry that refuses at once. */
const closed = { npm_config_registry: "http://127.0.0.1:9/" };

const seen = ({ code, ms, stdout, stderr }: Ended): string => {
  const ready = stdout.match(readyLine)?.length ?? 0;
  const tail = stderr.trim().split("\n").slice(-4).join(" | ");
  return `exit ${code} after ${Math.round(ms)} ms, ready line ${ready} times; ${tail}`;
};

const verdict = (
  passed: boolean,
  expected: string,
  actual: string,
  metrics: Readonly<Record<string, number>> = {},
): Verdict => ({ passed, expected, actual, metrics });

const skip = (reason: string): Verdict => ({
  passed: false,
  expected: "",
  actual: "",
  skipped: reason,
});

const isReadyOnce = ({ code, stdout }: Ended): boolean =>
  code === 0 && stdout.match(readyLine)?.length === 1;

/** Ended badly with a code that the message names, and wrote its message in one line. */
const refused = (ended: Ended, exit: number, code: string): boolean =>
  ended.code === exit &&
  ended.stderr.includes(`error[${code}]: `) &&
  ended.stderr.includes("Next: ");

const refusal = async (
  lab: Lab,
  copy: string,
  exit: number,
  code: string,
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Verdict> => {
  const before = readdirSync(copy).join(" ");
  const ended = await lab.run(copy, command, env).ended;
  const after = readdirSync(copy).join(" ");
  const clean = before === after;
  return verdict(
    refused(ended, exit, code) && clean && ended.ms <= offlineMsMax,
    `exit ${exit} with ${code} within ${offlineMsMax} ms and nothing left behind`,
    `${seen(ended)}${clean ? "" : `; left behind: ${after}`}`,
  );
};

const cold: BootstrapCase = {
  id: "cold-start",
  lane: "cold",
  run: async (lab) => {
    const { copy, cold: ended } = await lab.installed();
    const left = lab.processesOf(copy);
    return verdict(
      isReadyOnce(ended) && ended.ms <= coldMsMax && left.length === 0,
      `ready once, exit 0, no process left, within ${coldMsMax} ms`,
      `${seen(ended)}; left: ${left.join(", ") || "none"}`,
      { coldMs: Math.round(ended.ms) },
    );
  },
};

const warm: BootstrapCase = {
  id: "warm-start",
  lane: "warm",
  run: async (lab) => {
    const { copy, data } = await lab.installed();
    const runs: Ended[] = [];
    for (let n = 0; n < 3; n++) runs.push(await lab.run(copy, startCommand(data)).ended);
    const left = lab.processesOf(copy);
    const times = runs.map(({ ms }) => ms).toSorted((a, b) => a - b);
    const warmMs = Math.round(times[1] ?? Number.POSITIVE_INFINITY);
    return verdict(
      runs.every(isReadyOnce) && warmMs <= warmMsMax && left.length === 0,
      `three times ready once, exit 0, no process left, median within ${warmMsMax} ms`,
      `${runs.map(seen).join(" || ")}; left: ${left.join(", ") || "none"}`,
      { warmMs },
    );
  },
};

/** A signal to npm alone, as a supervisor or an impatient person sends it. */
const killed = (signal: "SIGTERM" | "SIGKILL" | "SIGINT"): BootstrapCase => ({
  id: `${signal.toLowerCase()}-to-npm`,
  lane: "installed",
  run: async (lab) => {
    const { copy } = await lab.installed();
    const running = lab.run(copy, stayCommand(join(lab.folder, `data-${signal}`)));
    const isReady = (): boolean => running.stdout().match(readyLine) !== null;
    const ready = await within(20_000, isReady);
    const alive = lab.processesOf(copy).length;
    running.child.kill(signal);
    const gone = await within(goneMsMax, () => lab.processesOf(copy).length === 0);
    const left = lab.processesOf(copy);
    return verdict(
      ready && alive > 1 && gone,
      `processes before, none ${goneMsMax} ms after ${signal}`,
      `${ready ? "ready" : "not ready"}, ${alive} before; left: ${left.join(", ") || "none"}` +
        (ready ? "" : `; ${running.stderr().slice(-500)}`),
    );
  },
});

const offline: BootstrapCase = {
  id: "no-network",
  lane: "bare",
  run: (lab) => {
    const copy = lab.bare();
    const data = join(lab.folder, "data-offline");
    return refusal(lab, copy, 5, "E_BOOTSTRAP_NETWORK", startCommand(data), closed);
  },
};

const isolated: BootstrapCase = {
  id: "no-network-namespace",
  lane: "bare",
  run: (lab) => {
    const copy = lab.bare();
    const unshare = canUnshare(["--net"]);
    if (unshare === undefined) return Promise.resolve(skip("no network namespaces here"));
    const command = [...unshare, ...startCommand(join(lab.folder, "data-isolated"))];
    return refusal(lab, copy, 5, "E_BOOTSTRAP_NETWORK", command);
  },
};

/** A registry that takes the connection and never answers. */
const blackHole = (
  id: string,
  prepare: (lab: Lab, id: string) => Promise<string>,
): BootstrapCase => ({
  id,
  lane: "own",
  slow: true,
  run: async (lab) => {
    const copy = await prepare(lab, id);
    const sockets = new Set<Socket>();
    const server = createServer((socket) => void sockets.add(socket.on("error", () => undefined)));
    await new Promise<void>((up) => server.listen(0, "127.0.0.1", up));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      return await refusal(
        lab,
        copy,
        5,
        "E_BOOTSTRAP_NETWORK",
        startCommand(join(lab.folder, id)),
        {
          npm_config_registry: `http://127.0.0.1:${port}/`,
        },
      );
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  },
});

/** The runtime is there, the packages are not: the second half of the installation fails. */
const offlinePackages: BootstrapCase = {
  id: "no-network-for-packages",
  lane: "own",
  run: async (lab) => {
    const copy = await withRuntime(lab, "half");
    const data = join(lab.folder, "data-half");
    return refusal(lab, copy, 5, "E_BOOTSTRAP_NETWORK", startCommand(data), closed);
  },
};

const withRuntime = async (lab: Lab, name: string): Promise<string> => {
  const { copy: from } = await lab.installed();
  const copy = lab.copy(name);
  mkdirSync(join(copy, ".runtime"));
  execFileSync("cp", ["-a", join(from, ".runtime/bin"), join(copy, ".runtime/bin")]);
  return copy;
};

const json: BootstrapCase = {
  id: "json-error",
  lane: "bare",
  run: async (lab) => {
    const copy = lab.bare();
    const ended = await lab.run(copy, ["./ioi", "status", "--json"], closed).ended;
    let code: unknown;
    try {
      ({ code } = JSON.parse(ended.stdout) as { readonly code?: unknown });
    } catch {
      code = undefined;
    }
    return verdict(
      ended.code === 5 && code === "E_BOOTSTRAP_NETWORK",
      "exit 5, and one JSON value with the code on stdout",
      `${seen(ended)}; stdout ${ended.stdout.slice(0, 300)}`,
    );
  },
};

const twoAtOnce: BootstrapCase = {
  id: "two-at-once",
  lane: "own",
  run: async (lab) => {
    const copy = await withRuntime(lab, "two");
    const both = ["one", "two"].map((name) =>
      lab.run(copy, startCommand(join(lab.folder, `data-${name}`))),
    );
    const ended = await Promise.all(both.map((running) => running.ended));
    const waited = ended.filter(({ stderr }) => /another bootstrap \(process \d+\)/.test(stderr));
    const installed = ended.filter(({ stderr }) => stderr.includes("ioi: ready after"));
    return verdict(
      ended.every(isReadyOnce) && waited.length === 1 && installed.length === 1,
      "both ready, one installed, the other said for whom it waited",
      ended.map(seen).join(" || "),
    );
  },
};

const staleLock: BootstrapCase = {
  id: "lock-of-a-dead-process",
  lane: "installed",
  run: async (lab) => {
    const { copy, data } = await lab.installed();
    rmSync(join(copy, ".runtime/stamp-prod"));
    writeFileSync(join(copy, ".runtime/lock"), "4194303 1");
    const ended = await lab.run(copy, startCommand(data)).ended;
    const gone = !existsSync(join(copy, ".runtime/lock"));
    return verdict(isReadyOnce(ended) && gone, "ready, and no lock left", seen(ended));
  },
};

const interrupted: BootstrapCase = {
  id: "interrupted-installation",
  lane: "bare",
  run: async (lab) => {
    const copy = lab.copy("interrupted");
    const running = lab.run(copy, startCommand(join(lab.folder, "data-interrupted")));
    const begun = await within(20_000, () => running.stderr().includes("downloading Node"));
    running.child.kill("SIGKILL");
    const gone = await within(goneMsMax, () => lab.processesOf(copy).length === 0);
    const runtime = join(copy, ".runtime");
    const left = existsSync(runtime) ? readdirSync(runtime).join(" ") : "nothing";
    return verdict(
      begun && gone && !existsSync(join(runtime, "bin")) && left === "nothing",
      "no process and nothing installed after npm was killed while downloading",
      `${begun ? "begun" : "not begun"}, ${gone ? "gone" : "alive"}; left: ${left}`,
    );
  },
};

/** Facts of another machine, put in place before the bootstrap is loaded. */
const faked = (copy: string, prelude: string): readonly string[] => {
  const file = join(copy, "tools/bootstrap.mjs");
  const argv = `process.argv = [process.execPath, ${JSON.stringify(file)}, "start", "--exit-when-ready"];`;
  return [
    "node",
    "--input-type=module",
    "-e",
    `${prelude}; ${argv} await import(${JSON.stringify(file)});`,
  ];
};

const set = (name: string, value: string): string =>
  `Object.defineProperty(process, "${name}", { value: ${value} })`;

const elsewhere = (id: string, code: string, prelude: string): BootstrapCase => ({
  id,
  lane: "bare",
  run: (lab) => {
    const copy = lab.bare();
    return refusal(lab, copy, 7, code, faked(copy, prelude));
  },
});

/** A prefix that runs a command in new namespaces, or undefined where the kernel refuses. */
const canUnshare = (flags: readonly string[]): readonly string[] | undefined => {
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  try {
    execFileSync("unshare", [...user, ...flags, "true"], { stdio: "ignore" });
    return ["unshare", ...user, ...flags];
  } catch {
    return undefined;
  }
};

const mounted = (
  id: string,
  code: string,
  mount: (copy: string, source: string) => string,
): BootstrapCase => ({
  id,
  lane: "bare",
  run: async (lab) => {
    const unshare = canUnshare(["--mount"]);
    if (unshare === undefined) return skip("no mount namespaces here");
    const source = lab.bare();
    const copy = join(lab.folder, `${id}-mounted`);
    mkdirSync(copy);
    const script = `${mount(copy, source)} && cd '${copy}' && exec npm start -- --exit-when-ready`;
    const ended = await lab.run(lab.folder, [...unshare, "sh", "-c", script]).ended;
    return verdict(refused(ended, 5, code), `exit 5 with ${code}`, seen(ended));
  },
});

/** Installed before it became read-only: it starts, and compiled code goes to the person's cache. */
const readOnlyInstalled: BootstrapCase = {
  id: "read-only-after-installation",
  lane: "installed",
  run: async (lab) => {
    const unshare = canUnshare(["--mount"]);
    if (unshare === undefined) return skip("no mount namespaces here");
    const { copy, data } = await lab.installed();
    const start = startCommand(data).join(" ");
    const script = `mount --bind '${copy}' '${copy}' && mount -o remount,ro,bind '${copy}' && cd '${copy}' && exec ${start}`;
    const ended = await lab.run(lab.folder, [...unshare, "sh", "-c", script]).ended;
    return verdict(isReadyOnce(ended), "ready once, exit 0", seen(ended));
  },
};

/** pnpm would remove them when the program alone is installed again. */
const keepsTools: BootstrapCase = {
  id: "development-tools-stay",
  lane: "own",
  slow: true,
  run: async (lab) => {
    const copy = await withRuntime(lab, "tools-stay");
    const usage = await lab.run(copy, ["npm", "run", "check", "--", "--no-such-argument"]).ended;
    const tool = join(copy, "node_modules/.bin/tsc");
    const before = existsSync(tool);
    for (const mode of ["prod", "dev"]) rmSync(join(copy, `.runtime/stamp-${mode}`));
    const ended = await lab.run(copy, ["./ioi", "--version"]).ended;
    const after = existsSync(tool);
    return verdict(
      usage.code === 2 && before && ended.code === 0 && after,
      "tsc is there before and after ./ioi installed again",
      `before ${before}, after ${after}; ${seen(usage)} || ${seen(ended)}`,
    );
  },
};

const npmVersion = (major: number): BootstrapCase => ({
  id: `npm-${major}`,
  lane: "own",
  slow: true,
  run: async (lab) => {
    const folder = join(lab.folder, `npm-${major}`);
    mkdirSync(folder);
    const get = ["npm", "install", "--prefix", folder, "--no-save", `npm@${major}`];
    const fetched = await lab.run(folder, get).ended;
    if (fetched.code !== 0) return skip(`npm ${major} could not be fetched`);
    const cli = join(folder, "node_modules/npm/bin/npm-cli.js");
    const copy = lab.copy(`with-npm-${major}`);
    const [, ...args] = startCommand(join(lab.folder, `data-npm-${major}`));
    const ended = await lab.run(copy, ["node", cli, ...args]).ended;
    return verdict(isReadyOnce(ended) && ended.ms <= coldMsMax, "ready once, exit 0", seen(ended));
  },
});

const altered: BootstrapCase = {
  id: "altered-package",
  lane: "bare",
  slow: true,
  run: async (lab) => {
    const copy = lab.copy("altered");
    const pins = join(copy, "tools/runtime.json");
    writeFileSync(pins, readFileSync(pins, "utf8").replaceAll(/sha512-./g, "sha512-A"));
    const data = join(lab.folder, "data-altered");
    return refusal(lab, copy, 5, "E_BOOTSTRAP_INTEGRITY", startCommand(data));
  },
};

export const cases: readonly BootstrapCase[] = [
  cold,
  warm,
  killed("SIGTERM"),
  killed("SIGKILL"),
  { ...killed("SIGINT"), slow: true },
  offline,
  isolated,
  offlinePackages,
  blackHole("network-that-never-answers", (lab, id) => Promise.resolve(lab.copy(id))),
  blackHole("network-that-never-answers-for-packages", withRuntime),
  json,
  twoAtOnce,
  staleLock,
  interrupted,
  elsewhere("old-node", "E_BOOTSTRAP_NODE", set("version", '"v18.20.8"')),
  elsewhere("other-system", "E_BOOTSTRAP_PLATFORM", set("platform", '"darwin"')),
  elsewhere("other-processor", "E_BOOTSTRAP_PLATFORM", set("arch", '"riscv64"')),
  elsewhere(
    "other-c-library",
    "E_BOOTSTRAP_PLATFORM",
    set("report", "{ getReport: () => ({ header: {} }) }"),
  ),
  mounted(
    "read-only-folder",
    "E_BOOTSTRAP_READ_ONLY",
    (copy, source) =>
      `mount --bind '${source}' '${copy}' && mount -o remount,ro,bind '${copy}' '${copy}'`,
  ),
  mounted(
    "full-disk",
    "E_BOOTSTRAP_DISK",
    (copy, source) => `mount -t tmpfs -o size=64m tmpfs '${copy}' && cp -a '${source}/.' '${copy}'`,
  ),
  readOnlyInstalled,
  keepsTools,
  npmVersion(10),
  npmVersion(12),
  altered,
];
