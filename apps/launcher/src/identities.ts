/**
 * The users under which the processes of a kernel run where it is a service of the machine: one for
 * each process, and the person's own for what touches the person's files. Named by `identities.json`
 * of the data folder, which the superuser wrote (`ioi service install`) and nobody else can change.
 *
 * Invariants: without that file everything runs as whoever starts the kernel; with it only the
 * superuser may start it; no process gets the number 0. Folders are given to their processes at
 * every start, so that what the launcher itself writes does not stay out of their reach.
 */
import fs from "node:fs";
import path from "node:path";
import { OperationError } from "@ioi/base";
import type { SandboxIdentity } from "@ioi/host/sandbox";
import { identitiesBytesMax } from "./limits.ts";

export const identitiesFile = "identities.json";

/** `drivers`: those that make requests or keep memories, and see no folder of the person's. */
export const roles = [
  "guardian",
  "egress",
  "workload",
  "orchestrator",
  "console",
  "drivers",
] as const;
export type Role = (typeof roles)[number];

export interface Identities {
  readonly person: SandboxIdentity & { readonly home: string };
  readonly roles: Readonly<Record<Role, SandboxIdentity>>;
}

const invalid = (why: string): OperationError =>
  new OperationError("E_LAUNCHER_IDENTITIES", `${identitiesFile}: ${why}`);

const numberOf = (value: unknown, name: string): number => {
  const valid = typeof value === "number" && Number.isInteger(value) && value > 0;
  if (!valid || value > 0xffff_fffe) throw invalid(`${name} is not a number from 1`);
  return value;
};

const identityOf = (value: unknown, name: string): SandboxIdentity => {
  const { uid, gid } = (value ?? {}) as { readonly uid?: unknown; readonly gid?: unknown };
  return { uid: numberOf(uid, `${name}.uid`), gid: numberOf(gid, `${name}.gid`) };
};

export const parseIdentities = (text: string): Identities => {
  let value: { readonly version?: unknown; readonly person?: unknown; readonly roles?: unknown };
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    throw invalid("no JSON");
  }
  if (value?.version !== 1) throw invalid("another version");
  const { home } = (value.person ?? {}) as { readonly home?: unknown };
  if (typeof home !== "string" || !path.isAbsolute(home)) throw invalid("person.home is no path");
  const given = (value.roles ?? {}) as Readonly<Record<string, unknown>>;
  const identities: Identities = {
    person: { ...identityOf(value.person, "person"), home },
    roles: Object.fromEntries(
      roles.map((role) => [role, identityOf(given[role], `roles.${role}`)]),
    ) as Record<Role, SandboxIdentity>,
  };
  const all = [identities.person, ...Object.values(identities.roles)].map(({ uid }) => uid);
  if (new Set(all).size !== all.length) throw invalid("two processes have one user");
  return identities;
};

/** Undefined where the folder is no service's. */
export const readIdentities = (dataFolder: string): Identities | undefined => {
  const file = path.join(dataFolder, identitiesFile);
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (process.getuid?.() !== 0) {
    throw new OperationError("E_LAUNCHER_SERVICE", "this data folder belongs to the service");
  }
  if (!stat.isFile() || stat.uid !== 0 || (stat.mode & 0o022) !== 0) {
    throw invalid("others than the superuser can change it");
  }
  if (stat.size > identitiesBytesMax) throw invalid("too long");
  return parseIdentities(fs.readFileSync(file, "utf8"));
};

/** Links are changed, not followed. */
const give = (folder: string, { uid, gid }: SandboxIdentity): void => {
  fs.lchownSync(folder, uid, gid);
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const below = path.join(folder, entry.name);
    if (entry.isDirectory()) give(below, { uid, gid });
    else fs.lchownSync(below, uid, gid);
  }
};

const makeFolder = (folder: string, { uid, gid }: SandboxIdentity, mode: number): void => {
  fs.mkdirSync(folder, { recursive: true });
  fs.lchownSync(folder, uid, gid);
  fs.chmodSync(folder, mode);
};

const superuser: SandboxIdentity = { uid: 0, gid: 0 };

/** What the command line of the person, and the console, find their way by. */
export const giveRun = (dataFolder: string, { person, roles: { console } }: Identities): void => {
  const run = path.join(dataFolder, "run");
  const shared = { uid: person.uid, gid: console.gid };
  makeFolder(run, shared, 0o750);
  for (const name of fs.readdirSync(run)) {
    const file = path.join(run, name);
    fs.lchownSync(file, shared.uid, shared.gid);
    // Whoever connects to a socket needs to write to it.
    if (fs.lstatSync(file).isSocket()) fs.chmodSync(file, 0o660);
  }
};

/** Everything below the data folder to whom it belongs. */
export const giveFolders = (dataFolder: string, identities: Identities): void => {
  const at = (name: string): string => path.join(dataFolder, name);
  fs.chmodSync(dataFolder, 0o711);
  for (const role of ["guardian", "workload", "orchestrator"] as const) {
    makeFolder(at(role), identities.roles[role], 0o700);
    give(at(role), identities.roles[role]);
  }
  makeFolder(at("device"), identities.person, 0o700);
  give(at("device"), identities.person);
  makeFolder(at("logs"), superuser, 0o700);
  // Public keys.
  makeFolder(at("identity"), superuser, 0o755);
  for (const name of fs.readdirSync(at("identity"))) fs.chmodSync(at(`identity/${name}`), 0o644);
  makeFolder(at("vault"), superuser, 0o711);
  giveRun(dataFolder, identities);
};

/** What a process of the kernel is started with. */
export const asRole = (
  identities: Identities | undefined,
  role: Role,
): { readonly identity?: SandboxIdentity } =>
  identities === undefined ? {} : { identity: identities.roles[role] };

/** Of a driver: those that see no folder of the person's are not the person. */
export const asDriver = (
  identities: Identities | undefined,
  kind: string,
): { readonly identity?: SandboxIdentity } => {
  if (identities === undefined) return {};
  const apart = kind === "net" || kind === "model" || kind === "memory";
  return { identity: apart ? identities.roles.drivers : identities.person };
};

/** A session's vault, and the notes of a driver in it that is another user. */
export const giveVault = (vault: string, own: string, identities: Identities): void => {
  const isOwn = own !== vault;
  makeFolder(vault, identities.person, 0o711);
  if (isOwn) makeFolder(own, identities.roles.drivers, 0o700);
};

/** The memory file is its driver's; whoever was the person before is not any more. */
export const giveMemory = (folder: string, identities: Identities): void => {
  makeFolder(folder, identities.roles.drivers, 0o700);
  give(folder, identities.roles.drivers);
};
