/** The Guardian's metrics: counts and sizes, no content. */
import type { GuardianCore } from "@ioi/guardian";
import { counter, gauge } from "@ioi/host/process";

export const observe = (core: GuardianCore): void => {
  const decisions = counter("ioi_gate_decisions_total", "Proposals decided, by verdict.", [
    "verdict",
  ]);
  const outcomes = counter("ioi_gate_outcomes_total", "Outcomes received, by status.", ["status"]);
  const size = gauge("ioi_receipts_size", "Leaves in the receipt log.");
  const waiting = gauge("ioi_approvals_waiting", "Asks that wait for a person.");
  size.set(core.receipts.size);
  waiting.set(core.ledger.asks.size);
  core.watch((leaf) => {
    if (leaf.type === "intent") decisions.inc({ verdict: leaf.verdict });
    if (leaf.type === "outcome") outcomes.inc({ status: leaf.status });
    size.set(core.receipts.size);
    waiting.set(core.ledger.asks.size);
  });
};
