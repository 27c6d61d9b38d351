/**
 * Runs as the first process inside fresh namespaces, builds the sandbox and becomes the program.
 * The parent strips the types of its parts, joins them and starts them by `node -e`; so it has no
 * imports but those of the parts, and never lets the event loop turn (a message waiting on the IPC
 * channel is for the program). Sources: mount(2), open_tree(2), pivot_root(2), openat2(2), capabilities(7),
 * landlock(7), seccomp(2).
 */
import {
  ffi,
  fs,
  plan,
  ENOENT,
  MNT_DETACH,
  BRIDGE_BACKLOG,
  SetupError,
  call,
  errnoOf,
  openPath,
} from "./confiner-calls.ts";
import { buildRoot } from "./confiner-mounts.ts";
import type { ConfinerPlan, LandlockPlan } from "./plan.ts";

const enterRoot = (): void => {
  call("pivot_root", ".", ".");
  call("umount2", ".", MNT_DETACH);
  process.chdir("/");
  try {
    process.chdir(plan.cwd);
  } catch (error) {
    throw new SetupError(`working directory ${plan.cwd}: ${String(error)}`, ENOENT);
  }
};

const landlockRuleset = (wanted: LandlockPlan): number => {
  const attributes = Buffer.alloc(24);
  attributes.writeBigUInt64LE(BigInt(wanted.files), 0);
  attributes.writeBigUInt64LE(BigInt(wanted.network), 8);
  attributes.writeBigUInt64LE(BigInt(wanted.scoped), 16);
  const ruleset = call("landlock_create_ruleset", attributes, wanted.attributeBytes, 0);
  const fileOnly = BigInt(1 | 2 | 4) | (1n << 14n) | (1n << 15n);
  for (const rule of wanted.rules) {
    let fd: number;
    try {
      fd = openPath(rule.path, 0);
    } catch (error) {
      if (errnoOf(error) === ENOENT) continue;
      throw error;
    }
    const isFolder = fs.fstatSync(fd).isDirectory();
    const rights = isFolder ? BigInt(rule.rights) : BigInt(rule.rights) & fileOnly;
    const attribute = Buffer.alloc(12);
    attribute.writeBigUInt64LE(rights, 0);
    attribute.writeInt32LE(fd, 8);
    call("landlock_add_rule", ruleset, 1, attribute, 0);
    fs.closeSync(fd);
  }
  return ruleset;
};

const limitResources = (): void => {
  for (const [resource, value] of plan.limits) {
    const limit = Buffer.alloc(16);
    limit.writeBigUInt64LE(BigInt(value), 0);
    limit.writeBigUInt64LE(BigInt(value), 8);
    call("prlimit64", 0, resource, limit, null);
  }
};

/** No capability, in no set, and none to be had by being root or by executing a file. */
const dropCapabilities = (): void => {
  const PR_CAPBSET_DROP = 24;
  const PR_SET_SECUREBITS = 28;
  const PR_CAP_AMBIENT = 47;
  const PR_CAP_AMBIENT_CLEAR_ALL = 4;
  call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (let capability = 0; capability < 64; capability++) {
    try {
      call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0);
    } catch {
      break;
    }
  }
  // All locked but the "keep" bit, which setpriv sets; without a capability it keeps nothing.
  call("prctl", PR_SET_SECUREBITS, 0xcf, 0, 0, 0);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x20080522, 0);
  call("capset", header, Buffer.alloc(24));
};

const filterSystemCalls = (): void => {
  const instructions = Buffer.from(plan.filter, "base64");
  const program = Buffer.alloc(16);
  program.writeUInt16LE(instructions.length / 8, 0);
  program.writeBigUInt64LE(ffi.getRawPointer(instructions), 8);
  call("seccomp", 1, 0, program);
};

/** The runtime took these out of its environment when it opened the channel. */
const channelVariables = (): Record<string, string> => {
  const found: Record<string, string> = {};
  for (const entry of fs.readFileSync("/proc/self/environ", "utf8").split("\0")) {
    const cut = entry.indexOf("=");
    const name = entry.slice(0, cut);
    if (name === "NODE_CHANNEL_FD" || name === "NODE_CHANNEL_SERIALIZATION_MODE") {
      found[name] = entry.slice(cut + 1);
    }
  }
  return found;
};

/** The runtime marked every descriptor above 2 close-on-exec; the program's own are unmarked. */
const keepDescriptors = (channel: string | undefined): void => {
  const CLOSE_RANGE_CLOEXEC = 4;
  const F_SETFD = 2;
  call("close_range", 3, 0xffffffff, CLOSE_RANGE_CLOEXEC);
  const kept = channel === undefined ? plan.descriptors : [...plan.descriptors, Number(channel)];
  for (const descriptor of kept) call("fcntl", descriptor, F_SETFD, 0);
};

const setLoopback = (socket: number, up: boolean): void => {
  const SIOCGIFFLAGS = 0x8913;
  const SIOCSIFFLAGS = 0x8914;
  const IFF_UP = 1;
  const request = Buffer.alloc(40);
  request.write("lo");
  call("ioctl", socket, SIOCGIFFLAGS, request);
  const flags = request.readInt16LE(16);
  request.writeInt16LE(up ? flags | IFF_UP : flags & ~IFF_UP, 16);
  call("ioctl", socket, SIOCSIFFLAGS, request);
};

const streamSocket = (): number => call("socket", 2, 1 | 0o2000000, 0);

/** Without its address nothing leads to it, so that who calls it is refused and does not wait. */
const silenceLoopback = (): void => {
  const SIOCSIFADDR = 0x8916;
  const socket = streamSocket();
  setLoopback(socket, false);
  const noAddress = Buffer.alloc(40);
  noAddress.write("lo");
  noAddress.writeUInt16LE(2, 16);
  call("ioctl", socket, SIOCSIFADDR, noAddress);
  fs.closeSync(socket);
};

/** Before capabilities go: the device comes up, one socket listens, and leaves for who serves it. */
const buildBridge = ({ descriptor, port, words }: NonNullable<ConfinerPlan["bridge"]>): void => {
  const socket = streamSocket();
  setLoopback(socket, true);
  const address = Buffer.alloc(16);
  address.writeUInt16LE(2, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  call("bind", socket, address, address.length);
  call("listen", socket, BRIDGE_BACKLOG);
  const text = Buffer.from(words, "hex");
  const control = Buffer.alloc(24);
  control.writeBigUInt64LE(20n, 0);
  control.writeInt32LE(1, 8);
  control.writeInt32LE(1, 12);
  control.writeInt32LE(socket, 16);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(ffi.getRawPointer(text), 0);
  vector.writeBigUInt64LE(BigInt(text.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(ffi.getRawPointer(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(ffi.getRawPointer(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  call("sendmsg", descriptor, header, 0x4040);
  // Reachable until the kernel has read them.
  void [text, control, vector];
  fs.closeSync(socket);
};

const confine = (): void => {
  const PR_SET_PDEATHSIG = 1;
  const PR_SET_NO_NEW_PRIVS = 38;
  const SIGKILL = 9;
  call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  const channel = channelVariables();
  keepDescriptors(channel["NODE_CHANNEL_FD"]);
  call("sethostname", plan.hostname, plan.hostname.length);
  buildRoot();
  enterRoot();
  const ruleset = plan.landlock === null ? null : landlockRuleset(plan.landlock);
  if (plan.bridge !== null) buildBridge(plan.bridge);
  else if (plan.silent) silenceLoopback();
  limitResources();
  dropCapabilities();
  call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (ruleset !== null) call("landlock_restrict_self", ruleset, 0);
  filterSystemCalls();
  fs.accessSync(plan.argv[0] ?? "", fs.constants.X_OK);
  // The waiting `unshare` holds a copy of this descriptor, so its end would tell nothing.
  if (plan.status !== null) fs.writeSync(plan.status, plan.started);
  process.execve?.(plan.argv[0] ?? "", [...plan.argv], { ...plan.env, ...channel });
};

try {
  confine();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const text = JSON.stringify({ code: "E_SANDBOX_SETUP", message });
  if (plan.status !== null) fs.writeSync(plan.status, text);
  fs.writeSync(2, `sandbox: ${message}\n`);
  process.exit(125);
}
