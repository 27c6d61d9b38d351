/**
 * Landlock rights by the version of the kernel's interface, and the rules of a sandbox. Source:
 * linux/landlock.h. Landlock stands behind the mounts, as a second wall: what a bind grants, a
 * rule grants, and nothing else; TCP is refused without a network; signals and abstract sockets
 * stay inside the domain.
 */
import { nr, syscall } from "../libc/index.ts";
import type { LandlockPlan } from "./plan.ts";
import type { SandboxSpec } from "./spec.ts";

const right = (bit: number): bigint => 1n << BigInt(bit);
const execute = right(0);
const writeFile = right(1);
const readFile = right(2);
const readFolder = right(3);
const removeFolder = right(4);
const removeFile = right(5);
const makeFolder = right(7);
const makeFile = right(8);
const makeFifo = right(10);
const makeLink = right(12);
const refer = right(13);
const truncate = right(14);

const rightsRead = execute | readFile | readFolder;
const rightsWrite =
  rightsRead |
  writeFile |
  removeFolder |
  removeFile |
  makeFolder |
  makeFile |
  makeFifo |
  makeLink |
  refer |
  truncate;
/** Devices are read and written; no new name, no control call. */
const rightsDevice = readFile | writeFile;

/** All file rights that an interface version knows. */
export const fileRights = (abi: number): bigint => {
  const bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : abi >= 1 ? 13 : 0;
  return (1n << BigInt(bits)) - 1n;
};

const LANDLOCK_CREATE_RULESET_VERSION = 1;

/** The interface version of this kernel; 0 without Landlock. */
export const landlockVersion = (): number => {
  const answer = syscall(nr.landlock_create_ruleset, null, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return answer.ok ? Number(answer.value) : 0;
};

/** What every sandbox may read, and the devices it may use. */
const systemRead = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc", "/proc", "/dev"];
export const deviceNames = ["null", "zero", "full", "random", "urandom"];

export const landlockPlan = (spec: SandboxSpec, abi: number): LandlockPlan | null => {
  if (abi < 1) return null;
  const known = spec.mayCreateNamespaces ? 0n : fileRights(abi);
  const network = abi >= 4 && spec.network === "none" ? 3n : 0n;
  const scoped = abi >= 6 ? 3n : 0n;
  if (known === 0n && network === 0n && scoped === 0n) return null;
  const rules: { path: string; rights: string }[] = [];
  const add = (path: string, rights: bigint): void => {
    if ((rights & known) !== 0n) rules.push({ path, rights: String(rights & known) });
  };
  add("/", readFolder);
  for (const path of systemRead) add(path, rightsRead);
  for (const name of deviceNames) add(`/dev/${name}`, rightsDevice);
  add("/tmp", rightsWrite);
  add("/dev/shm", rightsWrite);
  for (const bind of spec.binds) add(bind.path, bind.access === "write" ? rightsWrite : rightsRead);
  for (const one of spec.overlay ?? []) add(one.lower, rightsWrite);
  return {
    files: String(known),
    network: String(network),
    scoped: String(scoped),
    attributeBytes: abi >= 6 ? 24 : abi >= 4 ? 16 : 8,
    rules,
  };
};
