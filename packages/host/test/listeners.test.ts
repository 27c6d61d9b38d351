/** Who has the other end of a connection on loopback, by the tables of the system. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { test } from "node:test";
import { acceptorOf, listenerOf } from "../src/proc/index.ts";

const perl = fs.realpathSync("/usr/bin/perl");

/** Listens, says on which port, and takes a connection when it is told to. */
const script = `use Socket; $| = 1; socket(S, PF_INET, SOCK_STREAM, 0); listen(S, 5) if bind(S, sockaddr_in(0, INADDR_LOOPBACK)); print((sockaddr_in(getsockname(S)))[0], "\\n"); <STDIN>; accept(C, S); print "taken\\n"; <STDIN>`;

const started = async (): Promise<{ readonly child: ChildProcess; readonly port: number }> => {
  const child = spawn(perl, ["-e", script], { stdio: ["pipe", "pipe", "ignore"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, port: Number(line.toString()) };
};

test("a connection is nobody's until its listener takes it, and then that program's", async () => {
  const { child, port } = await started();
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  const caller = socket.localPort ?? 0;
  const own = { uid: process.getuid?.() ?? -1, program: perl };
  assert.deepEqual(listenerOf(port), own);
  assert.equal(acceptorOf(port, caller), "waiting");
  child.stdin?.write("\n");
  if (child.stdout !== null) await once(child.stdout, "data");
  assert.deepEqual(acceptorOf(port, caller), own);
  assert.equal(acceptorOf(port, caller === 65_535 ? 1024 : caller + 1), undefined);
  // The other way round it is ours.
  const ours = acceptorOf(caller, port);
  assert.equal(typeof ours === "object" && ours.program, fs.realpathSync(process.execPath));
  socket.destroy();
  child.kill("SIGKILL");
  await once(child, "exit");
});

/** False where the machine has no such address; another failure is one. */
const isUp = (server: net.Server, host: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    server.once("listening", () => resolve(true));
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT") resolve(false);
      else reject(error);
    });
    server.listen(0, host);
  });

test("of a server of this process, on ::1 as well", async (t) => {
  const server = net.createServer((socket) => socket.on("error", () => undefined));
  if (!(await isUp(server, "::1"))) return t.skip("this machine has no ::1");
  const { port } = server.address() as net.AddressInfo;
  const accepted = once(server, "connection");
  const socket = net.connect(port, "::1");
  await accepted;
  const found = acceptorOf(port, socket.localPort ?? 0);
  assert.deepEqual(found, {
    uid: process.getuid?.() ?? -1,
    program: fs.realpathSync(process.execPath),
  });
  socket.destroy();
  server.close();
});
