/** What the workload counts. Names and numbers only. */
import { counter, gauge, histogram } from "@ioi/host/process";

export interface SessionMetrics {
  judged(verdict: string, gateUs: number): void;
  over(state: string): void;
  active(count: number): void;
}

/** For tests, and wherever nothing is counted. */
export const noMetrics: SessionMetrics = {
  judged: () => undefined,
  over: () => undefined,
  active: () => undefined,
};

export const processMetrics = (): SessionMetrics => {
  const verdicts = counter("ioi_session_verdicts_total", "Proposals by verdict", ["verdict"]);
  const gate = histogram(
    "ioi_session_gate_seconds",
    "From the start of prepare to the verdict",
    [0.0005, 0.001, 0.0015, 0.002, 0.004, 0.008, 0.016, 0.05, 0.2, 1, 5],
  );
  const ended = counter("ioi_sessions_ended_total", "Sessions by the state they ended in", [
    "state",
  ]);
  const activeSessions = gauge("ioi_sessions_active", "Sessions that are not over");
  return {
    judged: (verdict, gateUs) => {
      verdicts.inc({ verdict });
      gate.observe(gateUs / 1e6);
    },
    over: (state) => ended.inc({ state }),
    active: (count) => activeSessions.set(count),
  };
};
