/** Looking at processes: who holds a port, what the kernel costs; and how a launcher refuses. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { portHolder } from "../src/port-holder.ts";
import { viewProcess, viewSelf } from "../src/status.ts";

const listening = async (host: string): Promise<{ port: number } & Disposable> => {
  const server = net.createServer();
  server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return { port, [Symbol.dispose]: () => void server.close() };
};

test("the holder of a port is named by pid and program, on either family", async () => {
  for (const host of ["127.0.0.1", "::1"]) {
    using server = await listening(host).catch(() => listening("127.0.0.1"));
    assert.match(portHolder(server.port), new RegExp(`^process ${process.pid} \\(.+\\)$`));
  }
});

test("the holder in another process is found; who only connects is not it", async () => {
  const code = `const s = require("net").createServer().listen(0, "127.0.0.1", () => console.log(s.address().port));
    process.stdin.resume().on("end", () => process.exit());`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const [chunk] = (await once(child.stdout, "data")) as [Buffer];
    const port = Number(chunk.toString());
    const socket = net.connect(port, "127.0.0.1");
    await once(socket, "connect");
    assert.match(portHolder(port), new RegExp(`^process ${child.pid} \\(`));
    socket.destroy();
  } finally {
    child.stdin.end();
    await once(child, "exit");
  }
});

test("a connection that is left of a server is no holder", async () => {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const near = net.connect(port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [net.Socket];
  server.close();
  assert.equal(portHolder(port), "another process");
  near.destroy();
  far.destroy();
});

test("a port that nobody holds is nobody's", async () => {
  const server = await listening("127.0.0.1");
  const { port } = server;
  server[Symbol.dispose]();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(portHolder(port), "another process");
  assert.equal(portHolder(0), "another process");
});

test("a view of a process has the memory of all below it and the pid of ours", async () => {
  const self = viewSelf();
  assert.deepEqual([self.name, self.pid, self.state], ["launcher", process.pid, "running"]);
  assert.ok(self.pssKib > 1000n);
  // A shell around our program, as the namespace tool stands around a process of the kernel.
  const child = spawn(
    "/bin/sh",
    ["-c", `"$0" -e 'console.log(1);process.stdin.resume()'; exit`, process.execPath],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  try {
    await once(child.stdout, "data");
    const view = viewProcess("guardian", child.pid ?? 0, ["landlock"]);
    assert.notEqual(view.pid, child.pid);
    assert.equal(fs.readlinkSync(`/proc/${view.pid}/exe`), process.execPath);
    assert.equal(view.uid, process.getuid?.());
    assert.deepEqual([view.name, view.sandbox], ["guardian", ["landlock"]]);
    assert.ok(view.pssKib > 1000n);
  } finally {
    child.stdin.end();
    await once(child, "exit");
  }
});

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** Starts a launcher and reads what it says on descriptor 3. */
const launch = async (argument: string | undefined): Promise<{ code: number; said: unknown }> => {
  const args = ["--no-warnings", main, ...(argument === undefined ? [] : [argument])];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  let text = "";
  child.stdio[3]?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number];
  const { error } = JSON.parse(text) as { error: { code: string; exit: number } };
  return { code, said: { code: error.code, exit: error.exit } };
};

test("a launcher without a readable configuration says so and makes nothing", async () => {
  for (const argument of [undefined, '{"data":7,"port":0}']) {
    const { code, said } = await launch(argument);
    assert.equal(code, 5);
    assert.deepEqual(said, { code: "E_LAUNCHER_CONFIG", exit: 2 });
  }
});

test("an address beyond loopback is refused before anything is made", async () => {
  const data = path.join(os.tmpdir(), `ioi-none-${process.pid}`);
  for (const host of ["0.0.0.0", "127.0.0.1.example.org"]) {
    const { code, said } = await launch(JSON.stringify({ data, host, port: 0 }));
    assert.equal(code, 5);
    assert.deepEqual(said, { code: "E_LAUNCHER_HOST", exit: 7 }, host);
    assert.equal(fs.existsSync(data), false);
  }
});
