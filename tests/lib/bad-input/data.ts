/** Bad input: the data folder, the disk, the ports, the processes. */
import { execFile, type ExecFileException, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { projectRoot, Scratch } from "../kernel.ts";
import { answered, type BadInputCase, fullOnly, judged, type Means, show } from "./case.ts";
import { sharedPlace } from "./paths.ts";
import { usedFolder } from "./used.ts";

const start = ({ ioi }: Means, data: string) =>
  ioi(["start", "--data", data, "--port", "0", "--exit-when-ready"]);

const flip = (file: string, at: number): void => {
  const bytes = fs.readFileSync(file);
  const index = Math.min(at, bytes.length - 1);
  bytes[index] = (bytes[index] as number) ^ 0x41;
  fs.writeFileSync(file, bytes);
};

const damaged = (
  id: string,
  file: (data: string) => string,
  at: number,
  exit: number,
  ...texts: readonly (string | RegExp)[]
): BadInputCase => ({
  id,
  run: async (means) => {
    using scratch = new Scratch();
    const data = await usedFolder(scratch, means.signal);
    flip(file(data), at);
    return answered(await start(means, data), exit, ...texts);
  },
});

const treeOf = (folder: string): string =>
  fs
    .readdirSync(folder, { recursive: true, encoding: "utf8" })
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((name) => `${name} ${fs.statSync(path.join(folder, name)).mtimeMs}`)
    .join("\n");

const newer: BadInputCase = {
  id: "data-of-a-newer-version",
  run: async (means) => {
    using scratch = new Scratch();
    const data = await usedFolder(scratch, means.signal);
    const file = path.join(data, "FORMAT");
    const { format } = JSON.parse(fs.readFileSync(file, "utf8")) as { readonly format: number };
    fs.writeFileSync(file, `{"format":${format + 1}}\n`);
    const before = treeOf(data);
    const result = await start(means, data);
    const verdict = answered(result, 5, "E_DATA_NEWER");
    return { ...verdict, ok: verdict.ok && treeOf(data) === before };
  },
};

const portInUse: BadInputCase = {
  id: "port-in-use",
  run: async ({ ioi }) => {
    using scratch = new Scratch();
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    const args = [
      "start",
      "--data",
      scratch.at("data"),
      "--port",
      String(port),
      "--exit-when-ready",
    ];
    const result = await ioi(args);
    server.close();
    const verdict = answered(result, 0, `port ${port} is in use by process ${process.pid}`);
    const bound = Number(/LISTENING_ON_127\.0\.0\.1:(\d+)/.exec(result.stdout)?.[1]);
    return { ...verdict, ok: verdict.ok && bound > port };
  },
};

interface Said {
  readonly code: number;
  readonly text: string;
}

/** Runs the command line inside a mount namespace whose `/mnt` is `mount`ed as asked. */
const withMount = (mount: string, script: string): Promise<Said> =>
  new Promise((resolve) => {
    const command = ["-m", "sh", "-c", `${mount} && ${script}`];
    const env = { ...process.env, NO_COLOR: "1" };
    const ended = (error: ExecFileException | null, stdout: string, stderr: string): void =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), text: stdout + stderr });
    execFile("unshare", command, { encoding: "utf8", env }, ended);
  });

const cli = `'${process.execPath}' --no-warnings '${projectRoot}/apps/cli/src/main.ts'`;

const mountCase = (
  id: string,
  mount: string,
  script: string,
  exit: number,
  text: RegExp,
): BadInputCase => ({
  id,
  run: async () => {
    const { code, text: said } = await withMount(mount, script);
    return judged(
      `exit ${exit} and ${String(text)}`,
      code === exit && text.test(said),
      `${code} ${said}`,
    );
  },
});

/** On a kernel that nobody else asks meanwhile. */
export const deadChild: BadInputCase = {
  id: "dead-child",
  run: async ({ quick, ioi }) => {
    const { kernel, data, workspace } = await sharedPlace();
    // They live and die together: in the short form one stands for all. Suite `kill`
    // takes each of them in its own short form.
    const victims = quick ? ["guardian"] : ["guardian", "workload", "orchestrator"];
    const { restarts: before } = await kernel.status();
    for (const name of victims) {
      const { processes } = await kernel.status();
      const victim = processes.find((process) => process.name === name);
      if (victim === undefined) return judged("a victim", false, `no ${name}`);
      process.kill(victim.pid, "SIGKILL");
      const given = ["--data", data, "--workspace", workspace, "--json"];
      const result = await ioi(["run", ...given, "/read a.txt"]);
      if (result.code !== 0) return judged(`0 after the ${name} was killed`, false, show(result));
    }
    const { restarts } = await kernel.status();
    return judged(
      `${victims.length} restarts`,
      restarts - before === victims.length,
      `${restarts - before} restarts`,
    );
  },
};

const terminated: BadInputCase = {
  id: "sigterm-while-starting-and-running",
  run: async (means) => {
    const { signal, quick } = means;
    using scratch = new Scratch();
    const data = scratch.at("data");
    const codes: number[] = [];
    // While it begins, while its processes do, and when it runs (which bench start ends so too).
    for (const waitMs of quick ? [0, 300] : [0, 60, 150, 300, 500, 800, 1200]) {
      const child = spawn(
        process.execPath,
        [
          "--no-warnings",
          `${projectRoot}/apps/cli/src/main.ts`,
          "start",
          "--data",
          data,
          "--port",
          "0",
        ],
        { stdio: "ignore" },
      );
      const exited = new Promise<number>((resolve) => {
        child.once("exit", (code, name) => resolve(code ?? (name === "SIGTERM" ? 143 : 1)));
      });
      await sleep(waitMs, undefined, { signal });
      child.kill("SIGTERM");
      codes.push(await exited);
    }
    const after = await start(means, data);
    return judged(
      "143 or 0 each time, and a folder that starts",
      codes.every((code) => code === 143 || code === 0) && after.code === 0,
      `${codes.join(" ")}; ${show(after)}`,
    );
  },
};

const firstJournal = (data: string): string => {
  const folder = path.join(data, "workload/journals");
  return path.join(folder, fs.readdirSync(folder)[0] ?? "none");
};

const corruptJournal: BadInputCase = {
  id: "corrupt-journal",
  run: async ({ signal, ioi }) => {
    using scratch = new Scratch();
    const data = await usedFolder(scratch, signal);
    flip(firstJournal(data), 200);
    const replay = await ioi(["replay", firstJournal(data)]);
    const others = await ioi(["sessions", "list", "--data", data]);
    const verdict = answered(replay, 6, /record \d+/);
    return {
      ...verdict,
      ok: verdict.ok && others.code === 0,
      actual: `${verdict.actual} | ${show(others)}`,
    };
  },
};

const root = process.getuid?.() === 0;

export const dataCases: readonly BadInputCase[] = [
  damaged(
    "corrupt-key-store",
    (data) => `${data}/guardian/keystore`,
    100,
    5,
    "E_GUARDIAN_KEYS",
    /record \d/,
  ),
  damaged(
    "corrupt-receipt-log",
    (data) => `${data}/guardian/receipts.log`,
    300,
    5,
    "E_WAL_CORRUPT",
    /record \d/,
  ),
  damaged(
    "corrupt-device-key",
    (data) => `${data}/device/terminal.key`,
    3,
    5,
    "E_DATA_CORRUPT",
    "terminal.key",
  ),
  fullOnly(
    damaged("corrupt-genesis", (data) => `${data}/identity/genesis.json`, 3, 5, "E_DATA_CORRUPT"),
  ),
  fullOnly(damaged("corrupt-format", (data) => `${data}/FORMAT`, 2, 5, "E_DATA_CORRUPT")),
  corruptJournal,
  newer,
  {
    id: "data-folder-of-something-else",
    run: async (means) => {
      using scratch = new Scratch();
      fs.writeFileSync(path.join(scratch.folder("data"), "mine.txt"), "x");
      return answered(await start(means, scratch.at("data")), 5, "E_DATA_FOREIGN", "mine.txt");
    },
  },
  portInUse,
  terminated,
  ...(root
    ? [
        mountCase(
          "full-disk-at-the-first-start",
          "mount -t tmpfs -o size=64k tmpfs /mnt",
          `${cli} start --data /mnt/data --port 0 --exit-when-ready 2>&1`,
          5,
          /E_DATA_FULL/,
        ),
        mountCase(
          "read-only-disk",
          "mount -t tmpfs -o ro tmpfs /mnt",
          `${cli} start --data /mnt/data --port 0 --exit-when-ready 2>&1`,
          5,
          /E_DATA_READ_ONLY/,
        ),
      ]
    : []),
];

/** Why the cases that need a mount are missing; undefined where they run. */
export const withoutMounts: string | undefined = root
  ? undefined
  : "full and read-only disks are made with mounts, which need root";
