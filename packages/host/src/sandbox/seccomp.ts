/**
 * The seccomp filter of a sandbox. A refused call answers EPERM so that programs degrade; clone3
 * answers ENOSYS, because its flags lie in memory that a filter cannot read and every C library
 * falls back to clone; a foreign architecture ends the process. The rest is allowed: what a
 * program may reach is decided by namespaces and Landlock, the filter takes away kernel surface.
 */
import {
  and,
  dataOffset,
  encodeProgram,
  load,
  ret,
  verdicts,
  whenAnyBit,
  whenAtLeast,
  whenEqual,
  whenNotEqual,
  type Instruction,
} from "./bpf.ts";
import {
  examined,
  refusedAlways,
  refusedWithoutNamespaces,
  refusedWithoutNetwork,
} from "./syscall-table.ts";
import type { SandboxNetwork } from "./spec.ts";

export type FilterArchitecture = "x64" | "arm64";

export interface FilterChoice {
  readonly arch: FilterArchitecture;
  readonly network: SandboxNetwork;
  /** Default: no socket but by inheritance. */
  readonly unixSockets?: boolean;
  readonly mayCreateNamespaces: boolean;
}

const EPERM = 1;
const ENOSYS = 38;
const auditArch = { x64: 0xc000003e, arm64: 0xc00000b7 };
const x32Bit = 0x40000000;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const cloneNamespaces = 0x7e020000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const PR_SET_PDEATHSIG = 1;
const fileTypeMask = 0xf000;
const characterDevice = 0x2000;
const blockDevice = 0x6000;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
/** Bits of a socket type beside SOCK_NONBLOCK and SOCK_CLOEXEC. */
const socketTypeMask = 0xf;

const refuse = ret(verdicts.errno(EPERM));
const allow = ret(verdicts.allow);
const argument = (index: number): Instruction => load(dataOffset.argumentLow(index));

const nodeKind = (index: number): readonly Instruction[] => [
  argument(index),
  and(fileTypeMask),
  ...whenEqual(characterDevice, [refuse]),
  ...whenEqual(blockDevice, [refuse]),
  allow,
];

/** A connected stream pair only: a datagram socket could still be pointed at another address. */
const pair: readonly Instruction[] = [
  argument(0),
  ...whenNotEqual(AF_UNIX, [refuse]),
  argument(1),
  and(socketTypeMask),
  ...whenEqual(SOCK_STREAM, [allow]),
  ...whenEqual(SOCK_SEQPACKET, [allow]),
  refuse,
];

/** By the type of a socket, which is loaded here. */
const internetType: readonly Instruction[] = [
  argument(1),
  and(socketTypeMask),
  ...whenEqual(SOCK_STREAM, [allow]),
  ...whenEqual(SOCK_DGRAM, [allow]),
  refuse,
];

/** Internet streams and datagrams, and the routing table for the list of interfaces. */
const networkSocket: readonly Instruction[] = [
  argument(0),
  ...whenEqual(AF_INET, [allow]),
  ...whenEqual(AF_INET6, [allow]),
  ...whenNotEqual(AF_NETLINK, [refuse]),
  argument(2),
  ...whenEqual(0, [allow]),
  refuse,
];

/** The same without raw sockets: of a namespace that holds a loopback device at most. */
const ownSocket: readonly Instruction[] = [
  argument(0),
  ...whenEqual(AF_NETLINK, [argument(2), ...whenEqual(0, [allow]), refuse]),
  ...whenEqual(AF_INET, internetType),
  ...whenEqual(AF_INET6, internetType),
  refuse,
];

/** A Unix stream, to be connected; it cannot be bound, so nobody is called through it. */
const unixSocket: readonly Instruction[] = [
  argument(0),
  ...whenNotEqual(AF_UNIX, [refuse]),
  argument(1),
  and(socketTypeMask),
  ...whenNotEqual(SOCK_STREAM, [refuse]),
  allow,
];

type Numbers = Readonly<Record<string, readonly [number, number]>>;

/** The program for a choice; the accumulator holds the call's number between rules. */
export const filterProgram = (choice: FilterChoice): readonly Instruction[] => {
  const column = choice.arch === "x64" ? 0 : 1;
  const program: Instruction[] = [
    load(dataOffset.arch),
    ...whenNotEqual(auditArch[choice.arch], [ret(verdicts.killProcess)]),
    load(dataOffset.nr),
  ];
  if (choice.arch === "x64") program.push(...whenAtLeast(x32Bit, [ret(verdicts.killProcess)]));
  const rule = (numbers: readonly [number, number], body: readonly Instruction[]): void => {
    const number = numbers[column] ?? -1;
    if (number >= 0) program.push(...whenEqual(number, body));
  };
  const refuseAll = (numbers: Numbers): void => {
    for (const name of Object.keys(numbers)) rule(numbers[name] ?? [-1, -1], [refuse]);
  };
  rule(examined.clone3, [ret(verdicts.errno(ENOSYS))]);
  rule(examined.ioctl, [
    argument(1),
    ...whenEqual(TIOCSTI, [refuse]),
    ...whenEqual(TIOCLINUX, [refuse]),
    allow,
  ]);
  rule(examined.mknod, nodeKind(1));
  rule(examined.mknodat, nodeKind(2));
  rule(examined.personality, [
    argument(0),
    ...whenEqual(0, [allow]),
    ...whenEqual(0xffffffff, [allow]),
    refuse,
  ]);
  rule(examined.socketpair, pair);
  refuseAll(refusedAlways);
  if (choice.network === "host") rule(examined.socket, networkSocket);
  else if (choice.network === "own") rule(examined.socket, ownSocket);
  else if (choice.unixSockets === true) {
    rule(examined.socket, unixSocket);
    rule(refusedWithoutNetwork.bind, [refuse]);
  } else refuseAll(refusedWithoutNetwork);
  if (!choice.mayCreateNamespaces) {
    refuseAll(refusedWithoutNamespaces);
    rule(examined.clone, [argument(0), ...whenAnyBit(cloneNamespaces, [refuse]), allow]);
    // The chain dies with its parent; a program may not take itself out of it.
    rule(examined.prctl, [argument(0), ...whenEqual(PR_SET_PDEATHSIG, [refuse]), allow]);
  }
  program.push(allow);
  return program;
};

export const filterBytes = (choice: FilterChoice): Uint8Array =>
  encodeProgram(filterProgram(choice));
