/** What programs ask for: judged, permitted or refused, reported before the program's own end. */
import assert from "node:assert/strict";
import test from "node:test";
import { callTarget, type SessionInput, type SessionSnapshot } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import { startTool } from "@ioi/firewall";
import { encodeCanonical, outcome as outcomeSchema, prepared, schema } from "@ioi/wire";
import { BesideActions } from "../src/beside.ts";
import type { ActWant, Driver, Gate, ProposalVerdict, ReportInput } from "../src/ends.ts";
import { besideMax } from "../src/limits.ts";
import { quiet } from "./doubles.ts";

type Beside = Extract<SessionInput, { readonly type: "beside" }>;

const args = encodeCanonical({ host: "a.example", port: 443 });
const want = (id: number) => ({ id, target: "net::connect", args });

const judged = (more: Partial<ProposalVerdict>): ProposalVerdict => ({
  verdict: "deny",
  ticket: new Uint8Array(0),
  counter: 0n,
  ttlMs: 0,
  approval: "",
  rules: [],
  asks: [],
  reason: "no",
  instead: "",
  display: "net::connect a.example 443",
  receipt: undefined,
  decideUs: 0,
  syncUs: 0,
  signUs: 0,
  ...more,
});
const allow = judged({ verdict: "allow", ticket: new Uint8Array([1]), counter: 9n, ttlMs: 1000 });

class Place {
  readonly inputs: Beside[] = [];
  readonly refused: string[] = [];
  readonly reports: ReportInput[] = [];
  readonly sequences: number[] = [];
  readonly state = { session: "s-1", onAsk: "prompt", epoch: 1, actions: [] };
  verdicts: ProposalVerdict[] = [];
  end: () => Promise<void> = async () => undefined;
  status: "confirmed" | "refused" = "confirmed";
  aborts = 0;
  prepares = 0;
  readonly beside: BesideActions;

  constructor() {
    const gate = {
      propose: async ({ sequence }: { readonly sequence: number }) => {
        this.sequences.push(sequence);
        return this.verdicts.shift() ?? judged({});
      },
      report: async (report: ReportInput) => {
        this.reports.push(report);
        return { index: 4n, leafHash: new Uint8Array(32) };
      },
    } as unknown as Gate;
    const give = async (input: SessionInput): Promise<void> => {
      this.inputs.push(input as Beside);
    };
    const state = this.state as unknown as SessionSnapshot;
    this.beside = new BesideActions({ gate, log: quiet, give }, state);
  }

  readonly driver = {
    prepare: async () => {
      this.prepares += 1;
      return {
        action: new Uint8Array(0),
        prepared: schema.encode(prepared, {
          version: 1,
          instanceId: new Uint8Array(16),
          nonce: new Uint8Array(16),
          session: "s-1",
          actionId: new Uint8Array(32),
        }),
        preparedSignature: new Uint8Array(0),
      };
    },
    act: async () => {
      await this.end();
      const outcome = schema.encode(outcomeSchema, {
        version: 1,
        counter: 9n,
        actionId: new Uint8Array(32),
        instanceId: new Uint8Array(16),
        status: this.status,
        resultHash: new Uint8Array(32),
        bytes: 7,
        reversible: false,
        evidence: { mode: "tunnel" },
      });
      const result = encodeCanonical({});
      return { outcome, outcomeSignature: new Uint8Array(0), result, message: "", output: [] };
    },
    abort: async () => {
      this.aborts += 1;
    },
    refuse: async (_counter: bigint, id: number, reason: string) => {
      this.refused.push(`${id}: ${reason}`);
    },
  } as unknown as Driver;

  readonly gone = new AbortController();

  ask(id = 1, wanted: ActWant = want(id)): void {
    const { signal } = new AbortController();
    this.beside.want({ driver: this.driver, counter: 5n, signal, ended: this.gone.signal }, wanted);
  }
}

const until = async (ready: () => boolean): Promise<void> => {
  while (!ready()) await new Promise((resolve) => setImmediate(resolve));
};

test("what is allowed is performed and reported before settled resolves", async () => {
  const place = new Place();
  place.verdicts = [allow];
  place.ask();
  await place.beside.settled();
  assert.deepEqual(place.refused, []);
  assert.deepEqual(
    place.inputs.map(({ verdict, outcome }) => [verdict, outcome?.status, outcome?.receipt?.index]),
    [
      ["allow", undefined, undefined],
      ["allow", "confirmed", undefined],
      ["allow", "confirmed", 4n],
    ],
  );
  assert.equal(place.reports[0]?.counter, 9n);
  // Of another range than the machine's own proposals in the same epoch.
  assert.deepEqual(place.sequences, [2 ** 32 + 2 ** 31 + 1]);
});

test("what is denied is told to the program, and nothing is performed", async () => {
  const place = new Place();
  place.verdicts = [judged({ reason: "a rule refuses it" })];
  place.ask();
  await place.beside.settled();
  assert.deepEqual(place.refused, ["1: a rule refuses it"]);
  assert.deepEqual(place.reports, []);
});

test("a yes is proposed anew, a no and an end are refusals", async () => {
  const place = new Place();
  place.verdicts = [judged({ verdict: "ask", approval: "a-1" }), allow];
  place.ask();
  await until(() => place.inputs.length === 1);
  const answer = { session: "s-1", approval: "a-1", reason: "", expired: false };
  assert.equal(place.beside.decided({ ...answer, approval: "a-2", approved: true }), false);
  assert.equal(place.beside.decided({ ...answer, approved: true }), true);
  await place.beside.settled();
  assert.equal(place.prepares, 2);
  assert.equal(place.inputs.at(-1)?.outcome?.status, "confirmed");
  for (const end of ["no", "gone"] as const) {
    const other = new Place();
    other.verdicts = [judged({ verdict: "ask", approval: "a-1" })];
    other.ask();
    await until(() => other.inputs.length === 1);
    if (end === "gone") other.gone.abort();
    else other.beside.decided({ ...answer, approved: false, reason: "not there" });
    await other.beside.settled();
    assert.equal(other.inputs.at(-1)?.verdict, "deny");
    assert.deepEqual(other.refused, [
      end === "no" ? "1: not there" : "1: the program that asked has ended",
    ]);
  }
});

test("a driver that dies leaves an unknown outcome, and a flood of wants is bounded", async () => {
  const place = new Place();
  place.verdicts = [allow];
  place.end = async () => {
    throw new OperationError("E_RPC_UNAVAILABLE", "gone");
  };
  place.ask();
  await place.beside.settled();
  assert.deepEqual(
    place.reports.map(({ status, reportedBy }) => [status, reportedBy]),
    [["unknown", "workload"]],
  );
  const flood = new Place();
  flood.verdicts = Array.from({ length: besideMax + 3 }, (_, at) =>
    judged({ verdict: "ask", approval: `a-${at}` }),
  );
  for (let id = 1; id <= besideMax + 3; id++) flood.ask(id);
  await until(() => flood.refused.length === 3);
  assert.match(flood.refused[0] ?? "", /too many/);
  flood.gone.abort();
  await flood.beside.settled();
});

test("after a crash every open ticket gets an outcome", async () => {
  const place = new Place();
  const action = {
    rules: [],
    asks: [],
    reason: "",
    instead: "",
    display: "",
    target: "net::connect",
  };
  const open = {
    ...action,
    args: {},
    beside: 3,
    verdict: "allow",
    ticket: { counter: 8n, ttlMs: 1 },
  };
  const done = { ...open, beside: 4, outcome: { receipt: { index: 1n } } };
  Object.assign(place.state, { actions: [open, done, { ...open, beside: undefined }] });
  await place.beside.recover(new AbortController().signal);
  assert.deepEqual(
    place.reports.map(({ counter, status }) => [counter, status]),
    [[8n, "unknown"]],
  );
  assert.equal(place.inputs[0]?.key, 3);
});

test("a server's start lasts beyond what needed it; one that never began is a refusal", async () => {
  const start = {
    id: 1,
    target: callTarget,
    args: encodeCanonical({ server: "notes", tool: startTool }),
  };
  const place = new Place();
  const { promise, resolve } = Promise.withResolvers<void>();
  place.end = () => promise;
  place.verdicts = [allow];
  place.ask(1, start);
  await place.beside.settled();
  assert.deepEqual([place.beside.lasting, place.reports.length], [1, 0], "it runs on");
  resolve();
  await place.beside.endLasting();
  assert.equal(place.aborts, 1);
  assert.deepEqual([place.reports[0]?.status, place.refused], ["confirmed", []]);
  await until(() => place.beside.lasting === 0);
  const never = new Place();
  never.status = "refused";
  never.verdicts = [allow];
  never.ask(1, start);
  await never.beside.settled();
  await until(() => never.beside.lasting === 0);
  assert.deepEqual(never.refused, ["1: refused"]);
});
