/** The lines of a program over a real socket: cut anywhere, too long, ended, never read unasked. */
import assert from "node:assert/strict";
import net from "node:net";
import test from "node:test";
import { agentErrorBytesMax, agentLineBytesMax } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import { socketPair } from "@ioi/host/libc";
import { ProgramLink } from "../src/program-link.ts";

const socketOf = (fd: number): net.Socket => new net.Socket({ fd, readable: true, writable: true });

const linked = () => {
  const [near, far] = socketPair().map(socketOf) as [net.Socket, net.Socket];
  const [errors, farErrors] = socketPair().map(socketOf) as [net.Socket, net.Socket];
  let kills = 0;
  const link = new ProgramLink(near, errors, async () => {
    kills += 1;
    far.destroy();
    farErrors.destroy();
  });
  return { link, far, farErrors, kills: () => kills, [Symbol.asyncDispose]: () => link.kill() };
};

const { signal } = new AbortController();
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

test("lines come whole, however they were cut, and what follows one stays for the next", async () => {
  await using program = linked();
  const { link, far } = program;
  const first = link.next(signal);
  for (const piece of ['{"a":', '"é', '"}\n{"b":1}\n\n{"c"', ":2}\n"]) {
    await new Promise((resolve) => far.write(piece, resolve));
  }
  const lines = [text(await first)];
  for (let i = 0; i < 3; i++) lines.push(text(await link.next(signal)));
  assert.deepEqual(lines, ['{"a":"é"}', '{"b":1}', "", '{"c":2}']);
  assert.ok(link.takeBytes() > 20);
  assert.equal(link.takeBytes(), 0);
});

test("an end without a newline is no line, and ends the lines", async () => {
  await using program = linked();
  program.far.end("half a line");
  assert.equal(await program.link.next(signal), undefined);
  assert.equal(await program.link.next(signal), undefined);
});

test("a line without an end is refused at its bound; the program waits rather than fills memory", async () => {
  await using program = linked();
  const block = Buffer.alloc(65_536, 0x78);
  let accepted = 0;
  // Nobody asks yet: the socket's own buffers fill, then the writer waits.
  while (program.far.write(block)) accepted += block.length;
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(accepted < agentLineBytesMax, String(accepted));
  const flood = (): void => {
    while (!program.far.destroyed && program.far.write(block));
    program.far.once("drain", flood);
  };
  program.far.on("error", () => undefined);
  flood();
  await assert.rejects(
    program.link.next(signal),
    (error) => error instanceof OperationError && error.code === "E_AGENT_FLOOD",
  );
});

test("whoever waits is let go by the signal, and by the kill", async () => {
  await using program = linked();
  const abort = new AbortController();
  const waits = program.link.next(abort.signal);
  abort.abort(new OperationError("E_RPC_CANCELLED", "enough"));
  await assert.rejects(waits, /enough/);
  const killed = program.link.next(signal);
  await program.link.kill();
  assert.equal(await killed, undefined);
  assert.equal(program.kills(), 1);
});

test("of the errors the end is kept", async () => {
  await using program = linked();
  const { link, farErrors } = program;
  await new Promise<void>((resolve) => {
    farErrors.end("x".repeat(100_000) + "the end", resolve);
  });
  while (!link.errors().endsWith("the end")) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(link.errors().length, agentErrorBytesMax);
});
