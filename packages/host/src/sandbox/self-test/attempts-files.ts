/** Attempts on the file system: outside the grant, below a mask, through links and handles. */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { cString } from "../../libc/index.ts";
import {
  calls,
  describe,
  done,
  invoke,
  refused,
  runs,
  seesCanary,
  seesText,
  tried,
} from "./attempt-tools.ts";
import type { Attempt, AttemptFunction, SceneFacts } from "./scene-facts.ts";

const outsideFile = (facts: SceneFacts): string => `${facts.outside}/canary.txt`;

const opens = (path: string, flags: number): Attempt =>
  tried(() => closeSync(openSync(path, flags)));

const throughLink = (facts: SceneFacts): Attempt => {
  const link = `${facts.workspace}/link-${process.pid}`;
  symlinkSync(outsideFile(facts), link);
  const answer = seesCanary(facts, link);
  unlinkSync(link);
  return answer;
};

const byHardLink = (facts: SceneFacts): Attempt => {
  const link = `${facts.workspace}/hard-${process.pid}`;
  try {
    linkSync(outsideFile(facts), link);
  } catch (error) {
    return refused(describe(error));
  }
  const answer = seesCanary(facts, link);
  unlinkSync(link);
  return answer;
};

const byHandle = (facts: SceneFacts): Attempt => {
  const bytes = Buffer.from(facts.handle, "hex");
  const handle = Buffer.alloc(8 + bytes.length);
  handle.writeUInt32LE(bytes.length, 0);
  handle.writeInt32LE(facts.handleType, 4);
  handle.set(bytes, 8);
  const mount = openSync(facts.workspace, constants.O_RDONLY);
  const answer = invoke("open_by_handle_at", mount, handle, constants.O_RDONLY);
  closeSync(mount);
  if (!answer.ok) return refused(`errno ${answer.errno}`);
  closeSync(Number(answer.value));
  return done();
};

const byMovingParent = (facts: SceneFacts): Attempt => {
  const parent = facts.maskedDeep.slice(0, facts.maskedDeep.lastIndexOf("/"));
  const moved = `${parent}-moved`;
  try {
    renameSync(parent, moved);
  } catch (error) {
    return refused(describe(error));
  }
  renameSync(moved, parent);
  return done();
};

const byRemovingMask = (facts: SceneFacts): Attempt => {
  const aside = `${facts.workspace}/aside-${process.pid}`;
  try {
    renameSync(facts.maskedFolder, aside);
  } catch (error) {
    return refused(describe(error));
  }
  renameSync(aside, facts.maskedFolder);
  return done();
};

const deviceNode = (facts: SceneFacts, type: number, device: number): Attempt => {
  const path = `${facts.workspace}/node-${process.pid}`;
  const answer = invoke("mknodat", -100, cString(path), type | 0o600, device);
  if (!answer.ok) return refused(`errno ${answer.errno}`);
  unlinkSync(path);
  return done();
};

const disk = (): Attempt => {
  for (const name of readdirSync("/dev")) {
    if (!/^(vd[a-z]|sd[a-z]|nvme\d+n\d+|xvd[a-z]|mmcblk\d+|loop0|dm-0)$/.test(name)) continue;
    const answer = opens(`/dev/${name}`, constants.O_RDONLY);
    if (answer.done) return answer;
  }
  return refused("no disk opens");
};

const firstOf = (paths: readonly string[], flags: number): Attempt => {
  let last: Attempt = refused("none");
  for (const path of paths) {
    last = opens(path, flags);
    if (last.done) return last;
  }
  return last;
};

const rewrite = (path: string): Attempt =>
  tried(() => writeFileSync(path, readFileSync(path, "utf8")));

/** Addresses are zeros to a reader without the privilege. */
const seesAddresses = (): Attempt => {
  try {
    const text = readFileSync("/proc/kallsyms", "latin1");
    return /^(?!0+ )[0-9a-f]+ /m.test(text) ? done() : refused("no addresses");
  } catch (error) {
    return refused(describe(error));
  }
};

const nonEmpty = (path: string): Attempt => {
  try {
    return readFileSync(path, "latin1") === "" ? refused("empty") : done();
  } catch (error) {
    return refused(describe(error));
  }
};

const changesOwner = (facts: SceneFacts): Attempt => {
  const path = `${facts.workspace}/own-${process.pid}`;
  writeFileSync(path, "");
  const answer = tried(() => chownSync(path, 12_345, 12_345));
  unlinkSync(path);
  return answer;
};

const inheritedDescriptor = (facts: SceneFacts): Attempt => {
  for (const name of readdirSync("/proc/self/fd")) {
    let target: string;
    try {
      target = readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      continue;
    }
    if (target.startsWith(facts.outside)) return done(`descriptor ${name}`);
  }
  return refused("none inherited");
};

const MS_BIND = 4096;
const MS_REMOUNT = 32;
const EINVAL = 22;

/** Where nothing is mounted (the control), something is mounted first. */
const unmounts = (facts: SceneFacts): Attempt => {
  const folder = cString(facts.maskedFolder);
  const first = invoke("umount2", folder, 2);
  if (first.ok) return done();
  if (first.errno !== EINVAL) return refused(`errno ${first.errno}`);
  invoke("mount", cString("none"), folder, cString("tmpfs"), 0, null);
  return calls("umount2", [folder, 2]);
};

const remounts = (facts: SceneFacts): Attempt => {
  const folder = cString(facts.readOnly);
  const first = invoke("mount", null, folder, null, MS_REMOUNT | MS_BIND, null);
  if (first.ok) return done();
  if (first.errno !== EINVAL) return refused(`errno ${first.errno}`);
  invoke("mount", folder, folder, null, MS_BIND, null);
  const answer = calls("mount", [null, folder, null, MS_REMOUNT | MS_BIND, null]);
  invoke("umount2", folder, 2);
  return answer;
};

const writes = (path: string): Attempt => {
  const answer = tried(() => writeFileSync(path, ""));
  if (answer.done) unlinkSync(path);
  return answer;
};

const dataFolders = ["guardian", "workload", "orchestrator", "device"] as const;

export const fileAttempts: Readonly<Record<string, AttemptFunction>> = {
  "read-outside": (facts) => seesCanary(facts, outsideFile(facts)),
  "list-outside": (facts) => tried(() => readdirSync(facts.outside)),
  "write-outside": (facts) => writes(`${facts.outside}/new-${process.pid}`),
  "execute-outside": (facts) => runs(`${facts.outside}/tool`, []),
  "read-workspace": (facts) => seesText(`${facts.workspace}/lower.txt`, "lower"),
  "write-workspace": (facts) => opens(`${facts.workspace}/lower.txt`, constants.O_WRONLY),
  "see-home": (facts) =>
    facts.homeEntry === "" ? refused("nothing there") : tried(() => lstatSync(facts.homeEntry)),
  "read-data-folder": (facts) => {
    const paths = dataFolders.map((name) => `${facts.dataFolder}/${name}/canary.txt`);
    const answers = paths.map((path) => seesCanary(facts, path));
    return answers.find((answer) => answer.done) ?? answers[0] ?? refused("none");
  },
  "write-data-folder": (facts) =>
    firstOf(
      dataFolders.map((name) => `${facts.dataFolder}/${name}/canary.txt`),
      constants.O_WRONLY,
    ),
  "read-dotdot": (facts) => seesCanary(facts, `${facts.workspace}/../outside/canary.txt`),
  "read-through-link": throughLink,
  "read-through-hard-link": byHardLink,
  "open-by-handle": byHandle,
  "read-vault": (facts) => seesCanary(facts, `${facts.vault}/canary.txt`),
  "read-inherited-mask": (facts) => seesCanary(facts, `${facts.hidden}/key`),
  "write-below-overlay": (facts) => {
    const path = `${facts.workspace}/lower.txt`;
    return tried(() => writeFileSync(path, facts.changed));
  },
  "read-masked-folder": (facts) => seesCanary(facts, `${facts.maskedFolder}/key`),
  "read-masked-file": (facts) => seesCanary(facts, facts.maskedFile),
  "read-masked-deep": (facts) => seesCanary(facts, `${facts.maskedDeep}/key`),
  "write-masked-file": (facts) => opens(facts.maskedFile, constants.O_WRONLY),
  "move-masked-folder": byRemovingMask,
  "move-parent-of-mask": byMovingParent,
  "unmount-mask": unmounts,
  "write-read-only": (facts) => opens(`${facts.readOnly}/file.txt`, constants.O_WRONLY),
  "truncate-read-only": (facts) => tried(() => truncateSync(`${facts.readOnly}/file.txt`, 4)),
  "create-in-read-only": (facts) => writes(`${facts.readOnly}/new-${process.pid}`),
  "chmod-read-only": (facts) => tried(() => chmodSync(`${facts.readOnly}/file.txt`, 0o644)),
  "remount-read-only": remounts,
  "write-code": (facts) => opens(facts.codeFile, constants.O_RDWR),
  "change-owner": changesOwner,
  "read-shared-memory-file": (facts) => seesCanary(facts, facts.shmFile),
  "device-block-node": (facts) => deviceNode(facts, 0o060000, 0x700),
  "device-character-node": (facts) => deviceNode(facts, 0o020000, 0x10b),
  "device-disk": disk,
  "device-memory": () => firstOf(["/dev/mem", "/dev/kmsg", "/dev/port"], constants.O_RDONLY),
  "sys-read": () => tried(() => readdirSync("/sys/kernel")),
  "cgroup-read": () => tried(() => readdirSync("/sys/fs/cgroup")),
  "proc-sys-write": () => rewrite("/proc/sys/kernel/core_pattern"),
  "proc-sysrq": () => opens("/proc/sysrq-trigger", constants.O_WRONLY),
  "proc-kcore": () => opens("/proc/kcore", constants.O_RDONLY),
  "proc-kallsyms": seesAddresses,
  "proc-keys": () => nonEmpty("/proc/keys"),
  "inherited-descriptor": inheritedDescriptor,
};
