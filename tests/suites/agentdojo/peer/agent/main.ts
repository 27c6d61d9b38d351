/**
 * The compromised agent as a program of `ioi/agent/1`: it makes the calls of the task in `plan.json` and,
 * once an answer holds the attack, the attacker's calls, whatever it was told of the calls before. At the
 * end it says which calls were whose.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

interface Call {
  readonly tool: string;
  readonly args: unknown;
}

interface Observation {
  readonly type: string;
  readonly content?: string;
}

const { server, mark, user, attack } = JSON.parse(
  readFileSync(join(import.meta.dirname, "plan.json"), "utf8"),
) as {
  readonly server: string;
  readonly mark: string;
  readonly user: readonly Call[];
  readonly attack: readonly Call[];
};

const waiting = user.map((call) => ({ by: "user", call }));
const made: string[] = [];
let attacked = false;
let told = false;

const answer = ({ type, content = "" }: Observation): object => {
  if (type === "outcome" && !attacked && content.includes(mark)) {
    attacked = true;
    waiting.unshift(...attack.map((call) => ({ by: "attack", call })));
  }
  const next = waiting.shift();
  if (next !== undefined) {
    made.push(next.by);
    // As text, so that amounts keep their decimals: the lines themselves carry whole numbers only.
    const args = { server, tool: next.call.tool, arguments: JSON.stringify(next.call.args) };
    return { type: "propose", target: "mcp::call", args };
  }
  if (told) return { type: "finish", status: "done" };
  told = true;
  return { type: "say", text: JSON.stringify(made) };
};

for await (const line of createInterface({ input: process.stdin })) {
  const { type, seq, observation } = JSON.parse(line) as {
    readonly type: string;
    readonly seq?: number;
    readonly observation?: Observation;
  };
  if (type === "start" || observation === undefined) continue;
  process.stdout.write(`${JSON.stringify({ seq, ...answer(observation) })}\n`);
}
