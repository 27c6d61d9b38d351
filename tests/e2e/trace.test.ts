/** One action can be followed by its ids from the command line through the logs to its receipts. */
import assert from "node:assert/strict";
import path from "node:path";
import fs from "node:fs";
import { test } from "node:test";
import { Place, ranOf } from "./support.ts";

type Line = Readonly<Record<string, unknown>>;

interface LeafView {
  readonly type: string;
  readonly counter?: string | number;
  readonly order?: string | number;
  readonly actionId?: string;
  readonly approval?: string;
}

test("session, action, ticket, approval, number and receipts, from the goal to the outcome", async () => {
  await using place = await Place.open();
  const asked = await place.run('/run sh -c "$X"', "--on-ask", "pend");
  const { session } = asked.view;
  const approval = asked.action.approval ?? "";
  const approved = ranOf(await place.ioi("approve", approval, "--json"));
  assert.equal(approved.code, 0, approved.stderr);
  const receipts = await place.receipts(session);
  const of = (type: string): readonly (LeafView & { readonly index: number })[] =>
    receipts
      .map(({ index, leaf }) => ({ index, ...(leaf as LeafView) }))
      .filter((leaf) => leaf.type === type);
  const [first, second] = of("intent");
  const [decision] = of("decision");
  const [outcome] = of("outcome");
  const { stdout } = await place.ioi("logs", "--json", "--session", session);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  const events = (event: string): readonly Line[] =>
    lines.filter((line) => line["event"] === event);
  const pick = (line: Line | undefined, ...names: readonly string[]): Line =>
    Object.fromEntries(names.map((name) => [name, line?.[name]]));

  assert.equal(events("person.uttered").length, 1);
  assert.ok(events("launcher.driver-started").length > 0);
  const [ask, allow] = events("gate.decided");
  const names = ["action", "ticket", "order", "verdict", "approval", "receipt"] as const;
  assert.deepEqual(pick(ask, ...names), {
    action: first?.actionId,
    ticket: String(first?.counter),
    order: String(first?.order),
    verdict: "ask",
    approval,
    receipt: first?.index,
  });
  assert.deepEqual(pick(events("person.decided")[0], "approval", "decision", "receipt"), {
    approval,
    decision: "approve",
    receipt: decision?.index,
  });
  assert.deepEqual(pick(allow, ...names), {
    action: second?.actionId,
    ticket: String(second?.counter),
    order: String(second?.order),
    verdict: "allow",
    approval: undefined,
    receipt: second?.index,
  });
  const ticket = String(approved.action.ticket?.counter);
  assert.equal(ticket, String(second?.counter));
  for (const event of ["session.judged", "session.acted"]) {
    assert.deepEqual(
      pick(events(event).at(-1), "n", "action", "ticket"),
      { n: 1, action: second?.actionId, ticket },
      event,
    );
  }
  assert.deepEqual(pick(events("gate.reported")[0], "ticket", "receipt"), {
    ticket,
    receipt: outcome?.index,
  });
  assert.equal(approved.action.outcome?.receipt?.index, outcome?.index);
  assert.equal(events("session.over").length, 1);
  const commitments = fs.readFileSync(path.join(place.data, "orchestrator/commitments.log"));
  assert.ok(commitments.includes(session), "the Orchestrator numbered it under the same session");
});
