/** A program's way out as its driver sees it: what it wants, what was permitted, what went over it. */
import assert from "node:assert/strict";
import test from "node:test";
import { OperationError } from "@ioi/base";
import type { Client } from "@ioi/host/rpc";
import { encodeCanonical, type pb } from "@ioi/wire";
import type { ActContext, ActWant } from "../src/core/driver.ts";
import { proxyEnvironment, WaysOut } from "../src/way-out/way-out.ts";

const args = { host: "a.example", port: 443 };

class Egress {
  readonly answers: pb.AnswerRequest[] = [];
  closed: pb.CloseRequest | undefined;
  /** Of what was opened last. */
  signal: AbortSignal | undefined;
  refuses: OperationError | undefined;
  #event: (value: IteratorResult<unknown>) => void = () => undefined;
  readonly #ready = Promise.withResolvers<IteratorResult<unknown>>();

  constructor() {
    this.#event = this.#ready.resolve;
  }

  want(id: number, target = "net::connect"): void {
    const value = { id, target, args: encodeCanonical(args) };
    this.#event({ done: false, value: { event: { case: "want", value } } });
  }

  readonly client = {
    open: (_: unknown, { signal }: { readonly signal?: AbortSignal }) => {
      this.signal = signal;
      let step = 0;
      const next = async (): Promise<IteratorResult<unknown>> => {
        step += 1;
        if (step === 1) return { done: false, value: { event: { case: "opened", value: {} } } };
        return step === 2 ? await this.#ready.promise : { done: true, value: undefined };
      };
      return { [Symbol.asyncIterator]: () => ({ next }) };
    },
    answer: async (answer: pb.AnswerRequest) => {
      if (this.refuses !== undefined) throw this.refuses;
      this.answers.push(answer);
      return {};
    },
    close: async (request: pb.CloseRequest) => {
      this.closed = request;
      const sum = { requests: 2, bytesUp: 3n, bytesDown: 4n, requestLog: new Uint8Array(32) };
      return {
        lease: { ...sum, refused: 1, ended: "" },
        permits: [{ id: 1, ...sum, mode: "tunnel", address: "192.0.2.1" }],
        entries: [],
      };
    },
  } as unknown as Client<typeof pb.ProgramNetwork>;
}

const place = async () => {
  const egress = new Egress();
  const wants: ActWant[] = [];
  const waysOut = new WaysOut(egress.client, 9);
  const context = {
    counter: 7n,
    ticket: new Uint8Array([1]),
    action: new Uint8Array([2]),
    signal: new AbortController().signal,
    want: (want: ActWant) => wants.push(want),
  } as unknown as ActContext;
  const wayOut = waysOut.for(context, 3);
  await wayOut.open(context.signal);
  return { egress, wants, waysOut, wayOut, context };
};

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("an action is prepared only for what a program waits for", async () => {
  const { egress, wants, waysOut, wayOut, context } = await place();
  const before = waysOut.prepare("net::connect", args);
  assert.equal(before.ok, false);
  egress.want(1);
  while (wants.length === 0) await soon();
  assert.equal(waysOut.prepare("net::connect", { ...args, port: 80 }).ok, false);
  const prepared = waysOut.prepare("net::connect", args);
  assert.ok(prepared.ok);
  const acting = prepared.value.act(context);
  while (egress.answers.length === 0) await soon();
  assert.deepEqual([egress.answers[0]?.counter, egress.answers[0]?.id], [7n, 1]);
  const sum = await wayOut.close();
  const report = await acting;
  assert.deepEqual(
    [report.status, report.bytes, report.evidence["mode"], report.evidence["address"]],
    ["confirmed", 7, "tunnel", "192.0.2.1"],
  );
  assert.equal(sum?.evidence["net_requests"], "2");
  assert.equal(waysOut.prepare("net::connect", args).ok, false);
});

test("what egress does not take is refused, and a stop says so before the program ends", async () => {
  const { egress, wants, waysOut, wayOut, context } = await place();
  egress.want(1);
  while (wants.length === 0) await soon();
  egress.refuses = new OperationError("E_EGRESS_REQUEST", "nobody waits for this");
  const prepared = waysOut.prepare("net::connect", args);
  assert.ok(prepared.ok);
  const report = await prepared.value.act(context);
  assert.deepEqual([report.status, report.code], ["refused", "E_EGRESS_REQUEST"]);
  await wayOut.cut();
  assert.equal(egress.closed?.cut, true);
  // Once: the end after the cut closes nothing more.
  egress.closed = undefined;
  assert.equal((await wayOut.close())?.evidence["net_refused"], "1");
  assert.equal(egress.closed, undefined);
});

test("a target that no program may want is not heard", async () => {
  const { egress, wants } = await place();
  egress.want(1, "net::listen");
  await soon();
  await soon();
  assert.deepEqual(wants, []);
});

test("what outlives its act is open past it, and what its ticket does not name is refused at once", async () => {
  const { egress, wants, waysOut } = await place();
  const act = new AbortController();
  const context = {
    counter: 8n,
    ticket: new Uint8Array([1]),
    action: new Uint8Array([2]),
    want: (want: ActWant) => wants.push(want),
  } as unknown as ActContext;
  const wayOut = waysOut.alone(context, 3, "it is not named");
  await wayOut.open(act.signal);
  act.abort();
  assert.equal(egress.signal?.aborted, false);
  // Control: what its program's act holds ends with the act.
  const other = waysOut.for({ ...context, counter: 9n }, 3);
  const second = new AbortController();
  await other.open(second.signal);
  const { signal } = egress;
  second.abort();
  assert.equal(signal?.aborted, true);
  egress.want(1);
  while (egress.answers.length === 0) await soon();
  assert.deepEqual(
    egress.answers.map(({ counter, id, reason }) => ({ counter, id, reason })),
    [{ counter: 8n, id: 1, reason: "it is not named" }],
  );
  await wayOut.close();
});

test("the environment names the way out by every name, and no exception", () => {
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]) {
    assert.match(proxyEnvironment[name] ?? "", /127\.0\.0\.1:3128$/);
    assert.equal(proxyEnvironment[name.toLowerCase()], proxyEnvironment[name]);
  }
  assert.deepEqual([proxyEnvironment["NO_PROXY"], proxyEnvironment["no_proxy"]], ["", ""]);
});
