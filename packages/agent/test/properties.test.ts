/** Properties of the machine: under any inputs, and in a world with crashes, stops and refusals. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import test from "node:test";
import { wallMs } from "@ioi/base";
import { schema } from "@ioi/wire";
import fc from "fast-check";
import {
  encodeEffects,
  journalStep,
  encodeHeader,
  replayJournal,
  runView,
  type SessionEffect,
  type SessionInput,
  sessionInput,
  SessionMachine,
} from "../src/index.ts";
import { runScripted } from "../src/scripted.ts";
import { goalStart, seeded, sha256 } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

/** What the stage waits for. */
const awaited: Readonly<Record<string, SessionInput["type"]>> = {
  opening: "opened",
  asking: "step",
  preparing: "prepared",
  proposing: "verdict",
  deciding: "decision",
  acting: "outcome",
  settling: "settled",
  reporting: "reported",
  resolving: "resolve",
  killing: "killed",
  closing: "closed",
};

/** Any input; most fit the stage and name the open call, some are nonsense. */
const anyInput = (
  next: (bound: number) => number,
  { stage, call, current }: SessionMachine["state"],
): SessionInput => {
  const counter = current?.ticket?.counter ?? 0n;
  const wanted = next(4) > 0 ? awaited[stage] : undefined;
  let input = sessionInput.example(next);
  for (let i = 0; i < 100 && wanted !== undefined && input.type !== wanted; i++) {
    input = sessionInput.example(next);
  }
  // Most examples of a stop or an end would end every run early.
  if (input.type === "stop" && next(10) > 0) input = { type: "tick" };
  const fitted = "call" in input && next(8) > 0 ? ({ ...input, call } as SessionInput) : input;
  if (fitted.type === "verdict" && fitted.verdict.type === "allow") {
    return { ...fitted, verdict: { ...fitted.verdict, counter: BigInt(next(40)) } };
  }
  if (fitted.type === "outcome" && next(4) > 0) return { ...fitted, counter };
  if (fitted.type !== "step" || next(12) === 0) return fitted;
  return {
    ...fitted,
    step: { type: "propose", target: "fs::read", args: { path: `f${next(3)}` } },
  };
};

const check = (effects: readonly SessionEffect[], given: SessionInput, used: Set<bigint>): void => {
  for (const each of effects) {
    if (each.type !== "act") continue;
    assert.ok(given.type === "verdict" && given.verdict.type === "allow", "act without an allow");
    assert.equal(each.counter, given.verdict.counter);
    assert.ok(!used.has(each.counter), `counter ${each.counter} acted on twice`);
    used.add(each.counter);
  }
};

test("any inputs: no exception, no act without a permit, none twice, an end is an end", () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom("planner", "folder", "model"), (seed, kind) => {
      const next = seeded(seed);
      const machine = new SessionMachine();
      const journal = [encodeHeader("s-1")];
      const recorded: Uint8Array[] = [];
      const used = new Set<bigint>();
      let ended = false;
      const goal = { text: "", kind, earlier: [], lost: [] } as const;
      for (let i = 0; i < 120; i++) {
        const input = i === 0 ? goalStart("", { goal }) : anyInput(next, machine.state);
        const step = journalStep(machine, input, 1000 + next(5000), sha256);
        check(step.effects, input, used);
        if (ended) assert.equal(step.effects.length, 0, "an ended session did something");
        ended = machine.state.stage === "ended";
        assert.ok(step.effects.filter((each) => each.type === "finish").length <= 1);
        runView(machine.state);
        journal.push(step.record);
        recorded.push(encodeEffects(step.effects));
      }
      const replayed: Uint8Array[] = [];
      const result = replayJournal(journal, sha256, (step) => replayed.push(step.encoded));
      assert.ok(result.ok);
      assert.deepEqual(replayed, recorded);
      const [again, live] = [result.value.machine, machine].map((each) =>
        JSON.stringify(runView(each.state)),
      );
      assert.equal(again, live);
    }),
    { numRuns: inner ? 20 : 150 },
  );
});

const kinds = ["folder", "planner", "model", "planner"] as const;

const scripted = (seed: number, careless: boolean): ReturnType<typeof runScripted> => {
  const next = seeded(seed);
  const text = "/write a.txt hi && /read a.txt && /move a.txt b.txt && /run true && /undo && /list";
  return runScripted({
    next,
    hash: sha256,
    session: `s-${seed}`,
    goal: { text, kind: kinds[seed % 4] ?? "planner", earlier: [], lost: [] },
    onAsk: (["pend", "prompt", "deny"] as const)[next(3)] ?? "deny",
    crashes: [0, 20, 60][next(3)] ?? 0,
    stops: [0, 0, 15][next(3)] ?? 0,
    careless,
  });
};

test("with crashes and stops every session ends or waits for a person, no effect twice", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const run = scripted(seed, false);
      assert.deepEqual(run.violations, []);
      assert.ok(["ended", "deciding"].includes(run.machine.state.stage), run.machine.state.stage);
    }),
    { numRuns: inner ? 20 : 150 },
  );
});

test("control: performing the last effects again after a crash does use tickets twice", () => {
  const seeds = Array.from({ length: 200 }, (_, seed) => seed);
  assert.ok(
    seeds.some((seed) => scripted(seed, true).violations.some((each) => /twice/.test(each))),
  );
});

test("every input's encoding is read back as the same input", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const input = sessionInput.example(seeded(seed));
      const encoded = schema.encode(sessionInput, input);
      const decoded = schema.decode(sessionInput, encoded);
      assert.ok(decoded.ok);
      assert.deepEqual(schema.encode(sessionInput, decoded.value), encoded);
    }),
  );
});

test("a session that was never started answers nothing", () => {
  const machine = new SessionMachine();
  assert.deepEqual(machine.handle({ type: "tick" }, wallMs(1)), []);
  assert.equal(machine.deadline(), undefined);
});
