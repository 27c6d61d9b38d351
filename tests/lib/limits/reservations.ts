/**
 * A thousand reservations at once against one budget: what is granted together never exceeds it, of
 * actions and of money, also after the Guardian was killed in between.
 */
import { utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import type { Action } from "@ioi/wire";
import type { SuiteCase } from "../../suites/suite.ts";
import { Scratch } from "../kernel.ts";
import { LimitsWorld } from "./world.ts";

const policyOf = (actions: number, usd: string): string => `version = 1
[[rule]]
id = "look"
effect = "allow"
target = ["fs::stat"]
where.path = { glob = "scope:/**" }
[[rule]]
id = "ask-model"
effect = "allow"
target = ["model::infer"]
where.model = { equals = "local/test" }
[budget.session]
actions = ${actions}
model_usd = ${usd}
model_tokens = 1000000000
wall_minutes = 20
`;

const statOf = (world: LimitsWorld, n: number): Action => {
  const path = `${world.workspace}/f${n}.txt`;
  return {
    version: 1,
    target: "fs::stat",
    args: { path },
    facts: { path: { realPath: path, exists: false } },
  };
};

const model = {
  id: "local/test",
  protocol: "openai",
  url: "http://127.0.0.1:9/v1",
  name: "test",
  secret: "",
  inputMicrousdPerMillion: 0n,
  outputMicrousdPerMillion: 1_000_000n,
  ownerUid: 0,
  program: "/usr/bin/true",
  loopback: true,
  isDefault: true,
  contextTokens: 8192,
  priceConfirmed: true,
  ownerKnown: true,
};

/** Each sets 1,000 millionths of a dollar aside. */
const inferOf = (n: number): Action => {
  const prompt = utf8Encode(`question ${n}`);
  return {
    version: 1,
    target: "model::infer",
    args: {
      model: model.id,
      url: model.url,
      protocol: model.protocol,
      name: model.name,
      price_in: 0,
      price_out: 1_000_000,
      max_tokens: 1000,
      prompt: { sha256: nodeCrypto.sha256(prompt), length: prompt.length, head: "" },
    },
    facts: {},
  };
};

export interface Race {
  readonly cases: readonly SuiteCase[];
  readonly reservations: number;
  /** Beyond their budgets, all together. */
  readonly overspent: number;
}

const granted = async (
  world: LimitsWorld,
  session: string,
  kind: "files" | "model",
  count: number,
  make: (n: number) => Action,
): Promise<{ readonly allowed: number; readonly verdicts: string }> => {
  const driver = await world.driver(session, kind);
  const replies = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      world.propose(session, world.prepare(driver, make(n)), { headless: true }).then(
        ({ verdict }) => verdict,
        (error: unknown) => String((error as { readonly code?: unknown }).code ?? error),
      ),
    ),
  );
  const counts = new Map<string, number>();
  for (const each of replies) counts.set(each, (counts.get(each) ?? 0) + 1);
  return {
    allowed: counts.get("allow") ?? 0,
    verdicts: [...counts].map(([name, many]) => `${name} ${many}`).join(", "),
  };
};

const caseOf = (
  id: string,
  budget: number,
  free: number,
  got: number,
  told: string,
): SuiteCase => ({
  id,
  outcome: got === budget ? "passed" : "failed",
  expected: `${budget} of them, exactly`,
  actual: `${got} (${told})`,
  // With the budget out of the way all of them are granted: more than it.
  control: free > budget ? "harmed" : "harmless",
});

/** Concurrent reservations of actions and of money, `count` of each. */
export const race = async (count: number, progress: (text: string) => void): Promise<Race> => {
  const budget = Math.floor(count / 4);
  const dollars = `${(budget * 1000) / 1_000_000}`;
  using scratch = new Scratch();
  progress(`${count} reservations without a bound`);
  const free = await (async () => {
    await using world = await LimitsWorld.open(scratch.folder("free"), policyOf(1_000_000, "1000"));
    const session = await world.session("look at everything");
    return await granted(world, session, "files", count, (n) => statOf(world, n));
  })();
  const cases: SuiteCase[] = [];
  let overspent = 0;
  const judge = (id: string, most: number, got: number, told: string): void => {
    overspent += Math.max(0, got - most);
    cases.push(caseOf(id, most, free.allowed, got, told));
  };
  const folder = scratch.folder("bounded");
  progress(`${count} reservations of ${budget} actions`);
  let world = await LimitsWorld.open(folder, policyOf(budget, "1000"));
  const session = await world.session("look at everything");
  const actions = await granted(world, session, "files", count, (n) => statOf(world, n));
  judge("actions", budget, actions.allowed, actions.verdicts);
  // What was granted stays granted, whatever ends the Guardian.
  await world.kill();
  progress("the same after both were killed");
  world = await LimitsWorld.open(folder, policyOf(budget, "1000"));
  const again = await granted(world, session, "files", 50, (n) => statOf(world, n));
  overspent += again.allowed;
  cases.push({
    id: "actions-after-kill",
    outcome: again.allowed === 0 ? "passed" : "failed",
    expected: "none: the budget was used up before the kill",
    actual: `${again.allowed} (${again.verdicts})`,
    control: actions.allowed > 0 ? "harmed" : "harmless",
  });
  await world.kill();
  progress(`${count} reservations of $${dollars}`);
  await using money = await LimitsWorld.open(scratch.folder("money"), policyOf(1_000_000, dollars));
  await money.models.confirmModel({ model, unscrubbedConsent: false });
  const paying = await money.session("ask much");
  const asked = await granted(money, paying, "model", count, inferOf);
  judge("money", budget, asked.allowed, asked.verdicts);
  return { cases, reservations: count, overspent };
};
