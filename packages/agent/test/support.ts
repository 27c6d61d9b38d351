/** What the tests of this package share. */
import { createHash } from "node:crypto";
import type { SessionInput, Verdict } from "../src/index.ts";

export const sha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update(bytes).digest());

/** mulberry32: an integer in [0, bound). */
export const seeded = (seed: number): ((bound: number) => number) => {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
};

export const bytes = (length: number, byte: number): Uint8Array =>
  new Uint8Array(length).fill(byte);

export const goalStart = (
  text: string,
  more: Partial<Extract<SessionInput, { readonly type: "start" }>> = {},
): SessionInput => ({
  type: "start",
  session: "s-1",
  workspace: "/w",
  onAsk: "pend",
  agent: "planner",
  goal: { text, kind: "planner", earlier: [] },
  ...more,
});

const judged = {
  rules: ["r-1"],
  asks: [],
  reason: "because",
  instead: "",
  display: "read /w/a.txt",
  receipt: { index: 7n, leafHash: bytes(32, 7) },
  timing: { gateUs: 1000, prepareUs: 300, proposeUs: 700, decideUs: 10, syncUs: 500, signUs: 50 },
} as const;

export const allowed = (counter: bigint): Verdict => ({
  type: "allow",
  ...judged,
  counter,
  ttlMs: 5000,
  ticket: bytes(100, 9),
});
export const asked = (approval: string): Verdict => ({ type: "ask", ...judged, approval });
export const refused: Verdict = {
  type: "deny",
  ...judged,
  reason: "outside the workspace",
  instead: "paths below /w",
};
