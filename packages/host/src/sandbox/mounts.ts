/**
 * From a description to the order of mounts: the skeleton first, then what is shown (a folder
 * before what lies below it), then the masks over all of it, then the root is sealed. Pure.
 */
import { deviceNames } from "./landlock.ts";
import {
  sandboxInnerPids,
  sandboxPidsFloor,
  sandboxShmBytes,
  sandboxTmpBytes,
  sandboxTmpFiles,
} from "./limits.ts";
import type { MountStep } from "./plan.ts";
import { isWithin, type SandboxSpec } from "./spec.ts";

/** A top-level system folder: a link on merged systems, a real folder on others. */
export interface SystemFolder {
  readonly path: string;
  readonly link: string | null;
}

export interface MachineFacts {
  readonly systemFolders: readonly SystemFolder[];
  /** Numbers of the user and group inside. */
  readonly user: number;
  readonly group: number;
}

const bind = (path: string, access: "read" | "write" | "device", optional: boolean): MountStep => ({
  type: "bind",
  path,
  access,
  optional,
});

/** Read from the machine: what the dynamic loader and the tools of /usr need. */
const etcRead = ["/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"];
const etcNetwork = ["/etc/resolv.conf", "/etc/hosts"];
/** Whom this machine's programs believe; no key. */
const etcTrust = [
  "/etc/ssl/certs",
  "/etc/ssl/openssl.cnf",
  "/etc/pki/tls/certs",
  "/etc/pki/ca-trust/extracted",
  "/etc/ca-certificates",
];

/** Kernel interfaces of /proc that tell about the machine or steer it. */
const procMasks = [
  "/proc/acpi",
  "/proc/bus",
  "/proc/driver",
  "/proc/fs",
  "/proc/irq",
  "/proc/kallsyms",
  "/proc/kcore",
  "/proc/key-users",
  "/proc/keys",
  "/proc/kmsg",
  "/proc/modules",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/sysrq-trigger",
  "/proc/timer_list",
  "/proc/vmallocinfo",
];

const accounts = (facts: MachineFacts): readonly MountStep[] => [
  {
    type: "text",
    path: "/etc/passwd",
    text: `agent:x:${facts.user}:${facts.group}:agent:/tmp:/bin/sh\n`,
  },
  { type: "text", path: "/etc/group", text: `agent:x:${facts.group}:\n` },
  {
    type: "text",
    path: "/etc/nsswitch.conf",
    text: "passwd: files\ngroup: files\nhosts: files dns\n",
  },
];

const devices = ({ kind }: SandboxSpec): readonly MountStep[] => [
  { type: "folder", path: "/dev", mode: 0o755 },
  ...deviceNames.map((name) => bind(`/dev/${name}`, "device", false)),
  ...(kind === "shell"
    ? ([
        { type: "terminals", path: "/dev/pts" },
        { type: "link", path: "/dev/ptmx", target: "pts/ptmx" },
      ] as const)
    : []),
  { type: "link", path: "/dev/fd", target: "/proc/self/fd" },
  { type: "link", path: "/dev/stdin", target: "/proc/self/fd/0" },
  { type: "link", path: "/dev/stdout", target: "/proc/self/fd/1" },
  { type: "link", path: "/dev/stderr", target: "/proc/self/fd/2" },
  {
    type: "tmpfs",
    path: "/dev/shm",
    bytes: sandboxShmBytes,
    files: sandboxTmpFiles,
    mode: 0o1777,
  },
];

/**
 * The bound of processes stands in the namespace itself, because the limit of the superuser does
 * not count. One that builds sandboxes bounds itself and all of them together.
 */
const pidsBound = (spec: SandboxSpec): number | null => {
  if (spec.mayCreateNamespaces) return spec.limits.processes ?? sandboxInnerPids;
  if (spec.kind !== "command" || spec.limits.processes === undefined) return null;
  return Math.max(sandboxPidsFloor, spec.limits.processes);
};

/**
 * What an inner sandbox is built from; without any permission, so that only one who has made a
 * user namespace gets in.
 */
const innerFolder = "/.inner";
/** The /proc that allows another inside. */
const wholeProc = `${innerFolder}/proc`;

/**
 * Commands see a whole /proc without its kernel interfaces, our own processes only the processes,
 * both for reading: files below /proc/sys belong to the machine's superuser, who would need no
 * capability to write them. A program that builds sandboxes writes the maps of user namespaces
 * below /proc; and the kernel mounts a new /proc inside only where one without masks is visible,
 * so that one stands apart, for reading.
 */
const processes = (spec: SandboxSpec): readonly MountStep[] => {
  const pids = pidsBound(spec);
  const masks = procMasks.map((path): MountStep => ({ type: "mask", path }));
  const path = "/proc";
  if (spec.mayCreateNamespaces) {
    return [
      { type: "proc", path, onlyProcesses: false, access: "write", pids },
      { type: "freeze", path: "/proc/sys" },
      ...masks,
      { type: "folder", path: innerFolder, mode: 0o700 },
      { type: "proc", path: wholeProc, onlyProcesses: false, access: "read", pids: null },
    ];
  }
  const whole = spec.kind === "command";
  const proc: MountStep = { type: "proc", path, onlyProcesses: !whole, access: "read", pids };
  return whole ? [proc, ...masks] : [proc];
};

/** What the outer sandbox says to those built inside it. */
export interface OuterSandbox {
  readonly masks: readonly string[];
  /** By shown folder: where it is seen without mounts below it. */
  readonly lowers: Readonly<Record<string, string>>;
  /** Nothing below it can make a socket of a network. */
  readonly withoutSockets: boolean;
}

export const outerSandboxFile = "/etc/ioi-sandbox.json";
export const noOuterSandbox: OuterSandbox = { masks: [], lowers: {}, withoutSockets: false };

/** The written folders of a sandbox that builds others, and their aliases. */
const innerLowers = (spec: SandboxSpec): Readonly<Record<string, string>> => {
  if (!spec.mayCreateNamespaces) return {};
  const written = spec.binds.filter((one) => one.access === "write");
  return Object.fromEntries(
    written.map((one, index) => [one.path, `${innerFolder}/lower-${index}`]),
  );
};

const aliases = (spec: SandboxSpec): readonly MountStep[] => {
  if (!spec.mayCreateNamespaces) return [];
  return [
    ...Object.entries(innerLowers(spec)).map(([from, path]): MountStep => ({
      type: "alias",
      path,
      from,
    })),
    { type: "folder", path: innerFolder, mode: 0 },
  ];
};

/** Told before the root is sealed; masks of the outer sandbox are handed on. */
const told = (spec: SandboxSpec, masks: readonly string[]): readonly MountStep[] => {
  if (!spec.mayCreateNamespaces) return [];
  const outer: OuterSandbox = {
    masks,
    lowers: innerLowers(spec),
    withoutSockets: spec.network === "none",
  };
  return [{ type: "text", path: outerSandboxFile, text: JSON.stringify(outer) }];
};

const shown = (spec: SandboxSpec, outer: OuterSandbox): readonly MountStep[] => {
  const binds = spec.binds.map((one) => ({
    ...bind(one.path, one.access, false),
    ...(one.from === undefined ? {} : { from: one.from }),
  }));
  const overlays = (spec.overlay ?? []).map((one): MountStep & { readonly path: string } => ({
    type: "overlay",
    path: one.lower,
    lower: outer.lowers[one.lower] ?? one.lower,
    upper: one.upper,
    work: one.work,
    twice: isWithin(one.upper, one.lower) || isWithin(one.work, one.lower),
  }));
  const steps = [...(binds as (MountStep & { readonly path: string })[]), ...overlays];
  return steps.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
};

/** The layers of an overlay are the driver's; a program inside never meets them. */
const masked = (spec: SandboxSpec, outer: OuterSandbox): readonly string[] => {
  const roots = [...spec.binds.map((one) => one.path), ...(spec.overlay ?? []).map((o) => o.lower)];
  const copies = spec.binds.flatMap((one) => one.from ?? []);
  const layers = [
    ...copies,
    ...(spec.overlay ?? []).flatMap((one) => [one.upper, one.work]),
  ].filter((path) => roots.some((root) => isWithin(path, root)));
  return [...new Set([...spec.masks, ...outer.masks, ...layers])].sort();
};

/**
 * The folders between a shown root and a mask: without a mount on them they could be renamed, and
 * the next sandbox would look for the mask at a name that is gone.
 */
const pinned = (spec: SandboxSpec, masks: readonly string[]): readonly string[] => {
  const writable = [
    ...spec.binds.filter((one) => one.access === "write").map((one) => one.path),
    ...(spec.overlay ?? []).map((one) => one.lower),
  ];
  const pins = new Set<string>();
  for (const mask of masks) {
    for (const root of writable.filter((path) => isWithin(mask, path))) {
      const parts = mask.slice(root.length + 1).split("/");
      for (let count = 1; count < parts.length; count++) {
        pins.add(`${root}/${parts.slice(0, count).join("/")}`);
      }
    }
  }
  return [...pins].sort();
};

export const mountSteps = (
  spec: SandboxSpec,
  facts: MachineFacts,
  outer: OuterSandbox,
): readonly MountStep[] => {
  const masks = masked(spec, outer);
  return [
    ...facts.systemFolders.map((folder): MountStep =>
      folder.link === null
        ? bind(folder.path, "read", false)
        : { type: "link", path: folder.path, target: folder.link },
    ),
    { type: "folder", path: "/etc", mode: 0o755 },
    ...etcRead.map((path) => bind(path, "read", true)),
    ...(spec.network === "host" ? etcNetwork.map((path) => bind(path, "read", true)) : []),
    ...(spec.network === "own" ? etcTrust.map((path) => bind(path, "read", true)) : []),
    ...accounts(facts),
    ...devices(spec),
    {
      type: "tmpfs",
      path: "/tmp",
      bytes: spec.limits.tmpBytes ?? sandboxTmpBytes,
      files: sandboxTmpFiles,
      mode: 0o1777,
    },
    ...processes(spec),
    ...shown(spec, outer),
    ...aliases(spec),
    ...told(spec, masks),
    ...pinned(spec, masks).map((path): MountStep => ({ type: "pin", path })),
    ...masks.map((path): MountStep => ({ type: "mask", path })),
    { type: "seal" },
  ];
};
