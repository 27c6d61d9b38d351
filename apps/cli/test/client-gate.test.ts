/** A client's messages on their way to the Workload: in order, bounded, and nobody is left waiting. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError, utf8Encode } from "@ioi/base";
import type { pb } from "@ioi/wire";
import { ClientGate } from "../src/commands/mcp/client-gate.ts";
import type { Kernel } from "../src/kernel/connection.ts";
import { gateSendsMax } from "../src/limits.ts";

type Gates = Awaited<ReturnType<Kernel["mcpGates"]>>;
type Feed = (said: AsyncIterable<{ readonly message: Uint8Array }>) => AsyncGenerator<object>;

/** A kernel whose gate is open until its client goes, and which is fed as it is told. */
const kernelOf = (feedGate: Feed): Kernel => {
  async function* openGate(_: object, { signal }: { readonly signal: AbortSignal }) {
    yield { event: { case: "notice", value: { kind: "opened" } } };
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
  const person = async () => ({ utter: async () => ({ session: "s1" }) });
  const mcpGates = async () => ({ openGate, feedGate }) as unknown as Gates;
  return { person, mcpGates } as unknown as Kernel;
};

const open = async (feed: Feed): Promise<ClientGate> =>
  await ClientGate.open(kernelOf(feed), "files", "deny", {
    message: () => undefined,
    notice: (_: pb.GateNotice) => undefined,
    ended: () => undefined,
  });

test("many clients' messages that wait for room are all let go, in order", async () => {
  const taking = Promise.withResolvers<undefined>();
  const got: number[] = [];
  const gate = await open(async function* (said) {
    await taking.promise;
    for await (const { message } of said) got.push(Number(new TextDecoder().decode(message)));
    yield {};
  });
  let left = gateSendsMax + 3;
  const all = Array.from({ length: left }, (_, n) =>
    gate.send(utf8Encode(String(n))).then(() => left--),
  );
  await Promise.all(all.slice(0, gateSendsMax - 1));
  assert.equal(left, 4, "the others wait");
  taking.resolve(undefined);
  await Promise.all(all);
  await gate.close();
  assert.deepEqual(
    got,
    all.map((_, n) => n),
  );
});

test("whoever waits when the gate ends, or comes later, waits no more", async () => {
  const ending = Promise.withResolvers<undefined>();
  // oxlint-disable-next-line require-yield -- it ends before the first
  const gate = await open(async function* () {
    await ending.promise;
    throw new OperationError("E_MCP_GATE", "the gate is not open");
  });
  const all = Array.from({ length: gateSendsMax + 3 }, () => gate.send(utf8Encode("x")));
  ending.resolve(undefined);
  await Promise.all(all);
  await Promise.all(Array.from({ length: gateSendsMax + 3 }, () => gate.send(utf8Encode("x"))));
  await gate.close();
});
