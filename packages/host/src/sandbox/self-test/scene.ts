/**
 * The stage of a self-test: a folder with canaries, listeners that count, and a process to attack.
 * Everything is the test's own and goes away with {@link Scene.dispose}.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import {
  connect,
  createServer,
  type AddressInfo,
  type NetConnectOpts,
  type Server,
} from "node:net";
import { homedir, tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { cString, nr, syscall } from "../../libc/index.ts";
import { leakVariable, type SceneFacts } from "./scene-facts.ts";

export type Listener = "tcp" | "udp" | "unix" | "abstract";

const column = process.arch === "arm64" ? 1 : 0;
const number = {
  shmget: [29, 194],
  shmctl: [31, 195],
  name_to_handle_at: [303, 264],
  socket: [41, 198],
  bind: [49, 200],
} as const;

const fileHandle = (path: string): { readonly bytes: string; readonly type: number } => {
  const handle = Buffer.alloc(8 + 128);
  handle.writeUInt32LE(128, 0);
  const call = number.name_to_handle_at[column];
  if (!syscall(call, -100, cString(path), handle, Buffer.alloc(8), 0).ok) {
    return { bytes: "", type: 0 };
  }
  const length = handle.readUInt32LE(0);
  return { bytes: handle.toString("hex", 8, 8 + length), type: handle.readInt32LE(4) };
};

const datagramListener = (path: string): number => {
  const made = syscall(number.socket[column], 1, 2 | 0o2000000, 0);
  if (!made.ok) return -1;
  const name = cString(path);
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(1, 0);
  address.set(name, 2);
  syscall(number.bind[column], made.value, address, address.length);
  return Number(made.value);
};

interface Terminal {
  readonly master: number;
  readonly slave: number;
}

const openTerminal = (): Terminal | null => {
  const TIOCSPTLCK = 0x40045431;
  const TIOCGPTN = 0x80045430;
  try {
    const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY);
    const index = Buffer.alloc(4);
    syscall(nr.ioctl, master, TIOCSPTLCK, Buffer.alloc(4));
    syscall(nr.ioctl, master, TIOCGPTN, index);
    const path = `/dev/pts/${index.readUInt32LE(0)}`;
    return { master, slave: openSync(path, constants.O_RDWR | constants.O_NOCTTY) };
  } catch {
    return null;
  }
};

/** Folders and files; the canary text stands in all that must stay unseen. */
const layFiles = (root: string, canary: string): void => {
  for (const folder of [
    "ws/masked",
    "ws/deep/er/masked",
    "ws/data/hidden",
    "ws/data/vault/up",
    "ws/data/vault/work",
    "ro",
    "outside",
    "data/guardian",
    "data/workload",
    "data/orchestrator",
    "data/device",
  ]) {
    mkdirSync(`${root}/${folder}`, { recursive: true });
  }
  for (const file of [
    "outside/canary.txt",
    "data/guardian/canary.txt",
    "data/workload/canary.txt",
    "data/orchestrator/canary.txt",
    "data/device/canary.txt",
    "ws/data/vault/canary.txt",
    "ws/data/hidden/key",
    "ws/masked/key",
    "ws/masked.txt",
    "ws/deep/er/masked/key",
  ]) {
    writeFileSync(`${root}/${file}`, canary);
  }
  writeFileSync(`${root}/ws/lower.txt`, "lower");
  writeFileSync(`${root}/ro/file.txt`, "text");
  writeFileSync(`${root}/outside/tool`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
};

/** Ours and the runtime's code are shown, and with them the names of the folders above. */
const homeEntry = (root: string): string => {
  const home = homedir();
  if (home === "/" || home === "") return "";
  const shown = [fileURLToPath(import.meta.url), process.execPath, root];
  try {
    const names = readdirSync(home).filter(
      (name) => !shown.some((path) => `${path}/`.startsWith(`${home}/${name}/`)),
    );
    return names[0] === undefined ? "" : `${home}/${names[0]}`;
  } catch {
    return "";
  }
};

const leakDescriptor = (path: string): number => {
  const F_SETFD = 2;
  const descriptor = openSync(path, "r");
  syscall(nr.fcntl, descriptor, F_SETFD, 0);
  return descriptor;
};

const syncText = "sync";

/** The answer of a name server to a question: the question with the flags of a refusal. */
const noSuchName = (question: Buffer): Buffer => {
  const answer = Buffer.from(question);
  answer[2] = 0x81;
  answer[3] = 0x83;
  return answer;
};

export class Scene {
  readonly root: string;
  readonly #canary = `ioi-canary-${randomBytes(12).toString("hex")}`;
  readonly #counts: Record<Listener, number> = { tcp: 0, udp: 0, unix: 0, abstract: 0 };
  readonly #servers: Server[] = [];
  readonly #descriptors: number[] = [];
  readonly #terminal = openTerminal();
  readonly #key = randomInt(0x10000000, 0x7fffffff);
  #udp: DatagramSocket | null = null;
  #victim: ChildProcess | null = null;
  #onSync: () => void = () => undefined;
  #signals = 0;
  #segment = -1n;
  #tcpPort = 0;

  private constructor() {
    this.root = realpathSync(mkdtempSync(`${tmpdir()}/ioi-sandbox-`));
  }

  static async create(): Promise<Scene> {
    const scene = new Scene();
    layFiles(scene.root, scene.#canary);
    if (existsSync("/dev/shm")) writeFileSync(scene.#shmFile, scene.#canary);
    scene.#descriptors.push(leakDescriptor(`${scene.root}/outside/canary.txt`));
    scene.#descriptors.push(datagramListener(scene.#datagramPath));
    await scene.#listen();
    scene.#showSockets();
    const segment = syscall(number.shmget[column], scene.#key, 4096, 0o1600);
    if (segment.ok) scene.#segment = segment.value;
    await scene.#startVictim();
    return scene;
  }

  get #shmFile(): string {
    return `/dev/shm/${this.#canary}`;
  }
  get #unixPath(): string {
    return `${this.root}/ws/canary.sock`;
  }
  get #datagramPath(): string {
    return `${this.root}/ws/canary.dgram`;
  }

  /** The stdio entry of a probe's fourth descriptor. */
  get terminal(): number | "ignore" {
    return this.#terminal?.slave ?? "ignore";
  }

  /** The same sockets in the other folders that sandboxes show. */
  #showSockets(): void {
    for (const folder of ["ro", "ws/data/vault"]) {
      linkSync(this.#unixPath, `${this.root}/${folder}/canary.sock`);
      if (existsSync(this.#datagramPath)) {
        linkSync(this.#datagramPath, `${this.root}/${folder}/canary.dgram`);
      }
    }
  }

  async #listen(): Promise<void> {
    const listen = async (name: Listener, at: { port?: number; host?: string; path?: string }) => {
      const server = createServer((socket) => {
        this.#counts[name] += 1;
        socket.on("error", () => undefined);
        socket.destroy();
      });
      server.unref();
      server.listen(at);
      await once(server, "listening");
      this.#servers.push(server);
      return server;
    };
    const tcp = await listen("tcp", { port: 0, host: "127.0.0.1" });
    this.#tcpPort = (tcp.address() as AddressInfo).port;
    await listen("unix", { path: this.#unixPath });
    await listen("abstract", { path: `\0${this.#canary}` });
    const udp = createSocket("udp4");
    this.#udp = udp;
    udp.unref();
    udp.on("message", (message, from) => {
      if (message.toString("latin1") === syncText) return this.#onSync();
      this.#counts.udp += 1;
      if (message.length > 12) udp.send(noSuchName(message), from.port, from.address);
    });
    udp.bind(0, "127.0.0.1");
    await once(udp, "listening");
  }

  /** A shell that prints a line for each SIGWINCH; its name, folder and variables are canaries. */
  async #startVictim(): Promise<void> {
    const script =
      'trap "echo hit" WINCH; trap "echo sync" PWR; echo ready; while :; do sleep 3600 & wait $!; done';
    const input = openSync(`${this.root}/outside/canary.txt`, "r");
    const victim = spawn("/bin/sh", ["-c", script, this.#canary], {
      cwd: `${this.root}/outside`,
      env: { [leakVariable]: this.#canary },
      stdio: [input, "pipe", "ignore"],
      detached: true,
    });
    closeSync(input);
    this.#victim = victim;
    const output = victim.stdout;
    if (output === null) return;
    output.setEncoding("utf8");
    await once(output, "data");
    output.on("data", (text: string) => {
      this.#signals += text.split("hit").length - 1;
      if (text.includes("sync")) this.#onSync();
    });
  }

  facts(): SceneFacts {
    const handle = fileHandle(`${this.root}/outside/canary.txt`);
    return {
      canary: this.#canary,
      workspace: `${this.root}/ws`,
      readOnly: `${this.root}/ro`,
      outside: `${this.root}/outside`,
      homeEntry: homeEntry(this.root),
      dataFolder: `${this.root}/data`,
      maskedFolder: `${this.root}/ws/masked`,
      maskedFile: `${this.root}/ws/masked.txt`,
      maskedDeep: `${this.root}/ws/deep/er/masked`,
      shmFile: this.#shmFile,
      vault: `${this.root}/ws/data/vault`,
      hidden: `${this.root}/ws/data/hidden`,
      changed: "changed",
      victim: this.#victim?.pid ?? 0,
      tcpPort: this.#tcpPort,
      udpPort: this.#udp?.address().port ?? 0,
      unixPath: this.#unixPath,
      unixDatagramPath: this.#datagramPath,
      abstractName: this.#canary,
      sharedMemoryKey: this.#key,
      handle: handle.bytes,
      handleType: handle.type,
      terminal: this.#terminal === null ? -1 : 3,
      codeFile: fileURLToPath(new URL("../../../package.json", import.meta.url)),
    };
  }

  /** With the sockets as they are seen in `folder`. */
  factsIn(folder: string): SceneFacts {
    return {
      ...this.facts(),
      unixPath: `${folder}/canary.sock`,
      unixDatagramPath: `${folder}/canary.dgram`,
    };
  }

  /** What arrived since the last call, also what is still under way when it is asked. */
  async arrivals(): Promise<Readonly<Record<Listener | "signal", number>>> {
    const own: readonly NetConnectOpts[] = [
      { port: this.#tcpPort, host: "127.0.0.1" },
      { path: this.#unixPath },
      { path: `\0${this.#canary}` },
    ];
    // Each queue is in order: when our own arrives, all before it have been counted.
    for (const options of own) await once(connect(options).resume(), "close");
    for (const name of ["tcp", "unix", "abstract"] as const) this.#counts[name] -= 1;
    const syncs = [
      () => this.#udp?.send(syncText, this.#udp.address().port, "127.0.0.1"),
      () => process.kill(this.#victim?.pid ?? 0, "SIGPWR"),
    ];
    for (const sync of syncs) {
      const arrived = new Promise<void>((resolve) => {
        this.#onSync = resolve;
      });
      sync();
      await arrived;
    }
    const now = { ...this.#counts, signal: this.#signals };
    for (const name of Object.keys(this.#counts) as Listener[]) this.#counts[name] = 0;
    this.#signals = 0;
    return now;
  }

  /** Whether the folder below the overlay was changed; puts it back. */
  lowerChanged(): boolean {
    const path = `${this.root}/ws/lower.txt`;
    if (readFileSync(path, "utf8") === "lower") return false;
    writeFileSync(path, "lower");
    return true;
  }

  dispose(): void {
    const pid = this.#victim?.pid;
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
    for (const server of this.#servers) server.close();
    this.#udp?.close();
    for (const descriptor of this.#descriptors) if (descriptor >= 0) closeSync(descriptor);
    if (this.#terminal !== null) {
      closeSync(this.#terminal.slave);
      closeSync(this.#terminal.master);
    }
    if (this.#segment >= 0n) syscall(number.shmctl[column], this.#segment, 0, null);
    rmSync(this.#shmFile, { force: true });
    // The kernel makes the inner folder of an overlay without any permission.
    const inner = `${this.root}/ws/data/vault/work/work`;
    if (existsSync(inner)) chmodSync(inner, 0o700);
    rmSync(this.root, { recursive: true, force: true });
  }
}
