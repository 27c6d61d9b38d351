/**
 * `suite limits`: what is bounded stays within its bound, through the real processes: a thousand
 * reservations at once against one budget, everything a stopped session started, and everything that
 * permits said a second time.
 */
import { stops } from "../lib/limits/descendants.ts";
import { replays } from "../lib/limits/replays.ts";
import { race } from "../lib/limits/reservations.ts";
import type { Suite } from "./suite.ts";

const reservationsFull = 1000;
const reservationsQuick = 300;
const replaysFull = 50;
const replaysQuick = 4;

export const suite: Suite = {
  name: "limits",
  covers: ["firewall 3", "firewall 7", "firewall 8"],
  summary:
    "budgets under a thousand concurrent reservations, stop within a second, nothing said twice",
  run: async ({ quick, progress }) => {
    const again = await replays(quick ? replaysQuick : replaysFull, progress);
    const stopped = await stops(quick, progress);
    const raced = await race(quick ? reservationsQuick : reservationsFull, progress);
    return {
      cases: [...raced.cases, ...stopped.cases, ...again.cases],
      metrics: {
        reservations: raced.reservations,
        overspent: raced.overspent,
        descendantsAfter1s: stopped.descendantsAfter1s,
        stopMsMax: stopped.stopMsMax,
        connectionCutMsMax: stopped.connectionCutMsMax,
        replays: again.replays,
        replaysAccepted: again.replaysAccepted,
      },
      goals: [
        { metric: "reservations", op: ">=", value: quick ? reservationsQuick : reservationsFull },
        { metric: "overspent", op: "=", value: 0 },
        { metric: "descendantsAfter1s", op: "=", value: 0 },
        { metric: "connectionCutMsMax", op: "<=", value: 1000 },
        { metric: "replaysAccepted", op: "=", value: 0 },
      ],
    };
  },
};
