/**
 * `ioi service install|uninstall|status`: one user for each process of the kernel, once, by the
 * superuser. Afterwards another program of the person cannot read the Guardian's keys and memory,
 * and what one process holds is out of the reach of the others.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { exitCodes } from "@ioi/base";
import { openDataFolder } from "@ioi/host/ports";
import type { CommandContext, Handler } from "../context.ts";
import { folderPaths, readBounded, runningKernel } from "../kernel/folder.ts";
import {
  type Account,
  identitiesPath,
  identitiesText,
  placeSteps,
  removalSteps,
  type ServicePlace,
  type ServiceRole,
  serviceRoles,
  type ServiceStep,
  startCommand,
  stepText,
  unitPath,
  userOf,
  userSteps,
} from "../kernel/service-plan.ts";
import { projectRoot } from "../program.ts";
import { failWith, usage } from "../report.ts";

interface ServiceOptions {
  readonly data?: string;
  readonly person?: string;
  readonly dryRun?: boolean;
  readonly keepData?: boolean;
  readonly deleteData?: boolean;
}

const defaultData = "/var/lib/ioi";
const stepMs = 60_000;

/** Not the folder beside the caller: a service has one place. */
const placeOf = ({ dataGiven, dataFolder }: CommandContext): ServicePlace => ({
  data: dataGiven === undefined ? defaultData : dataFolder,
  project: projectRoot,
  systemd: existsSync("/run/systemd/system"),
});

const requireRoot = (command: string): void => {
  if (process.getuid?.() === 0) return;
  throw failWith({
    code: "E_CLI_SERVICE_ROOT",
    message: `only the superuser can ${command} the service`,
    next: `sudo ./ioi service ${command}`,
  });
};

const accounts = (): readonly Account[] =>
  readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter((parts) => parts.length === 7)
    .map(([name = "", , uid, gid, , home = ""]) => ({
      name,
      uid: Number(uid),
      gid: Number(gid),
      home,
    }));

const personOf = (given: string | undefined): Account => {
  const name = given ?? process.env["SUDO_USER"];
  if (name === undefined || name === "root") {
    throw usage("whose agents will run? name the user", "sudo ./ioi service install --person NAME");
  }
  const found = accounts().find((each) => each.name === name);
  if (found === undefined || found.uid === 0) throw usage(`there is no user ${name}`);
  return found;
};

/** What of the program another user could not read, and what to do; undefined: nothing. */
const unreadable = (path: string): { readonly what: string; readonly next: string } | undefined => {
  for (let at = path; ; at = dirname(at)) {
    const wanted = at === path ? 0o005 : 0o001;
    if ((statSync(at).mode & wanted) !== wanted) {
      return {
        what: `other users cannot ${at === path ? "read" : "enter"} ${at}`,
        next: `Put IOI below a folder that all may enter, such as /opt, or: chmod o+rx '${at}'`,
      };
    }
    if (at === dirname(at)) return undefined;
  }
};

const perform = async (step: ServiceStep): Promise<void> => {
  switch (step.type) {
    case "command": {
      const [program = "", ...args] = step.argv;
      const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" };
      const { status, stderr, error } = spawnSync(program, args, {
        env,
        encoding: "utf8",
        timeout: stepMs,
      });
      if (status === 0) return;
      const why = (error?.message ?? stderr).trim();
      throw failWith({ code: "E_CLI_SERVICE_STEP", message: `${stepText(step)}: ${why}` });
    }
    case "data": {
      mkdirSync(dirname(step.path), { recursive: true });
      await using folder = await openDataFolder(step.path);
      // Entered by all, listed by nobody: what is in it belongs to several users.
      return chmodSync(folder.path, 0o711);
    }
    case "file":
      return writeFileSync(step.path, step.text, { mode: step.mode });
    case "remove":
      return rmSync(step.path, { recursive: true, force: true });
  }
};

interface ServiceView {
  readonly schema: "ioi.service/1";
  readonly installed: boolean;
  readonly data: string;
  readonly person: string | null;
  readonly users: readonly { readonly name: string; readonly uid: number }[];
  readonly unit: string | null;
  /** How it is started where no unit does it. */
  readonly start: string;
  readonly running: number | null;
  /** Of an installation or removal: what was, or would be, done. */
  readonly steps: readonly string[];
  /** Of an installation that was only tried: what stands in its way. */
  readonly obstacles?: readonly string[];
}

interface Installed {
  readonly person: string;
  readonly users: ServiceView["users"];
}

const installedIn = (data: string): Installed | undefined => {
  const path = identitiesPath(data);
  if (!existsSync(path)) return undefined;
  const { person, roles } = JSON.parse(Buffer.from(readBounded(path)).toString("utf8")) as {
    readonly person: Account;
    readonly roles: Readonly<Record<string, Account>>;
  };
  const users = Object.values(roles).map(({ name, uid }) => ({ name, uid }));
  return { person: person.name, users };
};

const viewOf = (place: ServicePlace, steps: readonly ServiceStep[]): ServiceView => {
  const installed = installedIn(place.data);
  return {
    schema: "ioi.service/1",
    installed: installed !== undefined,
    data: place.data,
    person: installed?.person ?? null,
    users: installed?.users ?? [],
    unit: existsSync(unitPath) ? unitPath : null,
    start: startCommand(place),
    running: runningKernel(folderPaths(place.data))?.pid ?? null,
    steps: steps.map(stepText),
  };
};

const foundUsers = (): ReadonlyMap<ServiceRole, Account> => {
  const all = accounts();
  return new Map(
    serviceRoles.flatMap((role) => {
      const found = all.find(({ name }) => name === userOf(role));
      return found === undefined ? [] : [[role, found] as const];
    }),
  );
};

/** What was begun is taken back, so that a second try meets a clean machine; what is left is returned. */
const takeBack = async (
  done: readonly ServiceStep[],
  place: ServicePlace,
  madeFolder: boolean,
): Promise<readonly string[]> => {
  const left: string[] = [];
  const made = [...foundUsers().values()].map(({ name }) => name);
  const steps = removalSteps(
    { ...place, systemd: done.some(({ type }) => type === "file") && place.systemd },
    !madeFolder,
    made,
  );
  for (const step of steps) {
    try {
      await perform(step);
    } catch (error) {
      left.push(error instanceof Error ? error.message : String(error));
    }
  }
  return left;
};

export const install: Handler<ServiceOptions> = async (context, { options }) => {
  const { output } = context;
  const place = placeOf(context);
  if (installedIn(place.data) !== undefined) {
    throw failWith({ code: "E_CLI_SERVICE_INSTALLED", message: `${place.data} has the service` });
  }
  const person = personOf(options.person);
  const present = [...foundUsers().values()];
  if (present.length > 0) {
    const names = present.map(({ name }) => name).join(", ");
    throw failWith({ code: "E_CLI_SERVICE_USER", message: `already on this machine: ${names}` });
  }
  if (existsSync(folderPaths(place.data).format)) {
    throw failWith({
      code: "E_CLI_SERVICE_FOLDER",
      message: `${place.data} is the data folder of somebody already`,
    });
  }
  const obstacle = unreadable(`${projectRoot}/packages`) ?? unreadable(process.execPath);
  if (options.dryRun === true) {
    const steps = [...userSteps, ...placeSteps("", place)];
    const obstacles = obstacle === undefined ? [] : [obstacle.what];
    output.value({ ...viewOf(place, steps), installed: false, obstacles });
    for (const step of steps) output.line(stepText(step));
    if (obstacle !== undefined) output.line(`In the way: ${obstacle.what}. ${obstacle.next}`);
    output.line("Nothing was changed.");
    return exitCodes.done;
  }
  if (obstacle !== undefined) {
    const { what, next } = obstacle;
    throw failWith({ code: "E_CLI_SERVICE_PROGRAM", message: what, next });
  }
  requireRoot("install");
  const madeFolder = !existsSync(place.data);
  const done: ServiceStep[] = [];
  const take = async (step: ServiceStep): Promise<void> => {
    context.signal.throwIfAborted();
    done.push(step);
    await perform(step);
  };
  try {
    for (const step of userSteps) await take(step);
    const identities = identitiesText(person, foundUsers(), place);
    for (const step of placeSteps(identities, place)) await take(step);
  } catch (error) {
    for (const each of await takeBack(done, place, madeFolder)) {
      output.progress(`not taken back: ${each}`);
    }
    throw error;
  }
  const view = viewOf(place, done);
  output.value(view);
  for (const step of done) output.progress(stepText(step));
  output.line(`installed for ${person.name}; data in ${place.data}`);
  if (!place.systemd) output.line(`start it as root: ${view.start}`);
  return exitCodes.done;
};

export const uninstall: Handler<ServiceOptions> = async (context, { options }) => {
  const { output } = context;
  const place = placeOf(context);
  const installed = installedIn(place.data);
  if (installed === undefined) {
    throw failWith({ code: "E_CLI_SERVICE_MISSING", message: `${place.data} has no service` });
  }
  const { keepData = false, deleteData = false, dryRun = false } = options;
  if (!dryRun && keepData === deleteData) {
    throw usage("say what becomes of policy, keys and receipts: --keep-data or --delete-data");
  }
  const running = runningKernel(folderPaths(place.data));
  if (running !== undefined && !place.systemd && !dryRun) {
    throw failWith({
      code: "E_CLI_SERVICE_RUNNING",
      message: `a kernel runs on ${place.data} (process ${running.pid})`,
      next: `kill ${running.pid}`,
    });
  }
  const present = new Set(accounts().map(({ name }) => name));
  const users = installed.users.map(({ name }) => name).filter((name) => present.has(name));
  const steps = removalSteps(place, keepData, users);
  if (!dryRun) {
    requireRoot("uninstall");
    // Nobody is left who could own what was theirs.
    if (keepData)
      await perform({ type: "command", argv: ["chown", "-R", "-h", "0:0", place.data] });
    for (const step of steps) await perform(step);
  }
  output.value(viewOf(place, steps));
  for (const step of steps) output.line(stepText(step));
  if (dryRun) output.line("Nothing was changed.");
  return exitCodes.done;
};

export const status: Handler<ServiceOptions> = async (context) => {
  const { output } = context;
  const view = viewOf(placeOf(context), []);
  output.value(view);
  if (!view.installed) {
    output.line(`not installed in ${view.data}; sudo ./ioi service install`);
    return exitCodes.done;
  }
  output.line(`installed for ${view.person ?? ""}; data in ${view.data}`);
  for (const { name, uid } of view.users) output.line(`  ${name.padEnd(18)} uid ${uid}`);
  output.line(view.unit === null ? `start it as root: ${view.start}` : `unit ${view.unit}`);
  output.line(view.running === null ? "no kernel runs" : `it runs (process ${view.running})`);
  return exitCodes.done;
};
