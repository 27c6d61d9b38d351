/** `/fetch` of the command planner: redirects are actions of their own, and bounded. */
import assert from "node:assert/strict";
import test from "node:test";
import { commandAgent, type Observation } from "../src/index.ts";

const goal = (text: string) => ({ text, kind: "planner", earlier: [], lost: [] }) as const;
const began: Observation = { type: "goal" };
const answer = (
  n: number,
  more: Partial<Extract<Observation, { type: "outcome" }>>,
): Observation => ({
  type: "outcome",
  n,
  target: "net::get",
  status: "confirmed",
  counter: BigInt(n),
  undo: "nothing",
  paths: [],
  repeats: 1,
  ...more,
});
const redirect = (n: number, message: string): Observation =>
  answer(n, { code: "E_HTTP_REDIRECT", message });

const stepOf = (text: string, seen: readonly Observation[]) =>
  commandAgent(goal(text)).step(seen.map((observation) => ({ observation, messages: [] })));

test("a redirect is proposed as an action of its own, without the secret", () => {
  const text = "/fetch https://a.example/x with TOKEN && /list";
  assert.deepEqual(stepOf(text, [began]), {
    type: "propose",
    target: "net::get",
    args: { url: "https://a.example/x", secret: "TOKEN" },
  });
  const seen = [began, redirect(1, "https://b.example/y")];
  assert.deepEqual(stepOf(text, seen), {
    type: "propose",
    target: "net::get",
    args: { url: "https://b.example/y" },
  });
  const next = stepOf(text, [...seen, answer(2, {})]);
  assert.equal(next.type === "propose" ? next.target : next.type, "fs::list");
});

test("redirects end", () => {
  const seen: Observation[] = [began];
  for (let n = 1; n <= 5; n++) seen.push(redirect(n, `https://a.example/${n}`));
  assert.equal(stepOf("/fetch https://a.example/", seen).type, "propose");
  seen.push(redirect(6, "https://a.example/6"));
  const last = stepOf("/fetch https://a.example/", seen);
  assert.equal(last.type === "finish" ? last.code : last.type, "E_FETCH_REDIRECTS");
});

test("an answer that is an error, and a denial, end the sequence", () => {
  const wrong = answer(1, { code: "E_HTTP_STATUS", message: "the server answered 404" });
  const last = stepOf("/fetch https://a.example/ && /list", [began, wrong]);
  assert.equal(last.type === "finish" ? last.code : last.type, "E_HTTP_STATUS");
});
