/**
 * Tries to get out of the sandbox of a command, once the folder that it is given holds its facts.
 * Copied into a workspace and run there by a real exec driver, and outside as the control; so it
 * imports nothing but the runtime. One line of JSON for each attempt.
 */
import dgram from "node:dgram";
import { once } from "node:events";
import ffi from "node:ffi";
import fs from "node:fs";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Attempt, EscapeFacts } from "./escape-facts.ts";

const file = `${process.argv[2]}/facts.json`;
while (!fs.existsSync(file)) await sleep(20);
const facts = JSON.parse(fs.readFileSync(file, "utf8")) as EscapeFacts;

const { functions } = ffi.dlopen("libc.so.6", {
  syscall: { arguments: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], return: "i64" },
});

/** Throws where the kernel refuses. */
const call = (number: readonly [number, number], ...args: readonly (number | bigint)[]): bigint => {
  const words = Array.from({ length: 6 }, (_, index) => BigInt(args[index] ?? 0));
  const at = number[process.arch === "arm64" ? 1 : 0];
  const [a, b, c, d, e, f] = words as [bigint, bigint, bigint, bigint, bigint, bigint];
  const value = BigInt(functions.syscall(BigInt(at), a, b, c, d, e, f) as bigint | number);
  if (value < 0n) throw new Error("refused by the kernel");
  return value;
};

const ptrace = [101, 117] as const;
const processVmReadv = [310, 270] as const;
const pidfdOpen = [434, 434] as const;
const pidfdGetfd = [438, 438] as const;
const seize = 0x4206;

const shows = (file: string, text: string): void => {
  if (!fs.readFileSync(file, "latin1").includes(text)) throw new Error("other content");
};

const firstAddress = (pid: number): bigint =>
  BigInt(`0x${fs.readFileSync(`/proc/${pid}/maps`, "latin1").split("-")[0]}`);

const readMemory = (pid: number): void => {
  const memory = fs.openSync(`/proc/${pid}/mem`, "r");
  const got = fs.readSync(memory, Buffer.alloc(16), 0, 16, firstAddress(pid));
  if (got === 0) throw new Error("nothing read");
};

const readByCall = (pid: number): void => {
  const buffer = Buffer.alloc(8);
  const vector = (address: bigint): Buffer => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(address, 0);
    bytes.writeBigUInt64LE(8n, 8);
    return bytes;
  };
  const [local, remote] = [vector(ffi.getRawPointer(buffer)), vector(firstAddress(pid))];
  const pointers = [ffi.getRawPointer(local), ffi.getRawPointer(remote)] as const;
  call(processVmReadv, pid, pointers[0], 1, pointers[1], 1, 0);
};

const takeDescriptor = (pid: number): void => {
  const handle = call(pidfdOpen, pid, 0);
  call(pidfdGetfd, handle, 3, 0);
};

const connect = async (options: net.NetConnectOpts): Promise<void> => {
  const socket = net.connect(options);
  await once(socket, "connect");
  socket.destroy();
};

const send = async (): Promise<void> => {
  const socket = dgram.createSocket("udp4");
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.send("canary", facts.udpPort, "127.0.0.1", (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  } finally {
    socket.close();
  }
};

const listen = async (): Promise<void> => {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.close();
};

const seesDriver = (): void => {
  for (const name of fs.readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      if (fs.readFileSync(`/proc/${name}/cmdline`, "latin1").includes("drivers/src/main.ts"))
        return;
    } catch {
      // It ended meanwhile.
    }
  }
  throw new Error("not seen");
};

/** Signals that nobody minds: ignored unless asked for. */
const signal = (pid: number): void => void process.kill(pid, "SIGWINCH");

const notEmpty = (bytes: Buffer | readonly string[]): void => {
  if (bytes.length === 0) throw new Error("empty");
};

const write = (file: string): void => fs.writeFileSync(file, facts.canary);

const attempts: Readonly<Record<string, () => unknown>> = {
  "read-outside": () => shows(`${facts.outside}/canary.txt`, facts.canary),
  "read-outside-by-dotdot": () => shows("../outside/canary.txt", facts.canary),
  "read-outside-by-link": () => shows("link.txt", facts.canary),
  "list-outside": () => notEmpty(fs.readdirSync(facts.outside)),
  "write-outside": () => write(`${facts.outside}/written.txt`),
  "write-outside-by-dotdot": () => write("../outside/written-too.txt"),
  "link-outside": () => fs.linkSync(`${facts.outside}/canary.txt`, "hard-link.txt"),
  "read-keystore": () => notEmpty(fs.readFileSync(`${facts.data}/guardian/keystore.key`)),
  "read-device-key": () => notEmpty(fs.readFileSync(`${facts.data}/device/terminal.key`)),
  "read-receipts": () => notEmpty(fs.readFileSync(`${facts.data}/guardian/receipts.log`)),
  "list-journals": () => notEmpty(fs.readdirSync(`${facts.data}/workload/journals`)),
  "open-policy-to-write": () => fs.openSync(`${facts.data}/guardian/policy.toml`, "r+"),
  "read-vault": () => notEmpty(fs.readFileSync(`${facts.vault}/FORMAT`)),
  "write-vault": () => write(`${facts.vault}/written.txt`),
  "tcp-connect": () => connect({ port: facts.tcpPort, host: "127.0.0.1" }),
  "udp-send": send,
  "unix-connect": () => connect({ path: facts.unixPath }),
  "abstract-connect": () => connect({ path: `\0${facts.abstractName}` }),
  "tcp-listen": listen,
  "connect-guardian": () => connect({ path: `${facts.data}/run/guardian.sock` }),
  "connect-launcher": () => connect({ path: `${facts.data}/run/launcher.sock` }),
  "see-drivers": seesDriver,
  "signal-driver": () => signal(facts.driver),
  "signal-sibling": () => signal(facts.sibling),
  "signal-guardian": () => signal(facts.guardian),
  "signal-workload": () => signal(facts.workload),
  "ptrace-driver": () => call(ptrace, seize, facts.driver, 0, 0),
  "ptrace-sibling": () => call(ptrace, seize, facts.sibling, 0, 0),
  "memory-of-driver": () => readMemory(facts.driver),
  "memory-of-sibling": () => readMemory(facts.sibling),
  "memory-of-driver-by-call": () => readByCall(facts.driver),
  "environment-of-driver": () => notEmpty(fs.readFileSync(`/proc/${facts.driver}/environ`)),
  "environment-of-sibling": () => notEmpty(fs.readFileSync(`/proc/${facts.sibling}/environ`)),
  "descriptors-of-driver": () => notEmpty(fs.readdirSync(`/proc/${facts.driver}/fd`)),
  "take-descriptor-of-driver": () => takeDescriptor(facts.driver),
  "vault-through-driver-root": () =>
    notEmpty(fs.readFileSync(`/proc/${facts.driver}/root${facts.vault}/FORMAT`)),
  "outside-through-workload-root": () =>
    notEmpty(fs.readdirSync(`/proc/${facts.workload}/root${facts.data}/workload`)),
};

for (const [id, attempt] of Object.entries(attempts)) {
  let answer: Omit<Attempt, "id">;
  try {
    await attempt();
    answer = { done: true, detail: "succeeded" };
  } catch (error) {
    const code = (error as { readonly code?: unknown }).code;
    const detail = typeof code === "string" ? code : String(error);
    answer = { done: false, detail };
  }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
}
process.exit(0);
