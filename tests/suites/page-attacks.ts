/**
 * `suite page-attacks`: everything that a foreign page, another program on this machine, a broken
 * line or the agent itself can try on the page. Each row is refused, and what is allowed passes.
 */
import { chromiumMissing, chromiumPath } from "../lib/chromium.ts";
import { answerAttacks } from "./page-attacks/answers.ts";
import { type Attack, judge } from "./page-attacks/attack.ts";
import { browserAttacks } from "./page-attacks/browser-attacks.ts";
import { BrowserGround } from "./page-attacks/browser.ts";
import { Ground } from "./page-attacks/ground.ts";
import { policyAttacks } from "./page-attacks/policy.ts";
import { lifeAttacks } from "./page-attacks/life.ts";
import { lateToken, wallAttacks } from "./page-attacks/walls.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const judgeAll = async <S>(
  attacks: readonly Attack<S>[],
  stage: S,
  context: SuiteContext,
): Promise<readonly SuiteCase[]> => {
  const cases: SuiteCase[] = [];
  for (const attack of attacks) {
    context.signal.throwIfAborted();
    context.progress(attack.id);
    cases.push(await judge(attack, stage));
  }
  return cases;
};

const wantedOf = <S>(
  attacks: readonly Attack<S>[],
  { caseId }: SuiteContext,
): readonly Attack<S>[] => attacks.filter(({ id }) => caseId === undefined || id === caseId);

const withoutBrowser = async (context: SuiteContext): Promise<readonly SuiteCase[]> => {
  const late = context.quick ? [] : [lateToken];
  const attacks = [...wallAttacks, ...answerAttacks, ...policyAttacks, ...lifeAttacks, ...late];
  const wanted = wantedOf(attacks, context);
  if (wanted.length === 0) return [];
  await using ground = await Ground.open("");
  return await judgeAll(wanted, ground, context);
};

const inBrowser = async (
  context: SuiteContext,
  chromium: string | undefined,
): Promise<readonly SuiteCase[]> => {
  const wanted = wantedOf(browserAttacks, context);
  if (wanted.length === 0 || chromium === undefined) return [];
  await using ground = await BrowserGround.open(chromium);
  return await judgeAll(wanted, ground, context);
};

export const suite: Suite = {
  name: "page-attacks",
  covers: ["architecture 3", "firewall 3", "agent 3"],
  summary: "foreign hosts, origins, keys and texts at the page: each refused, the controls pass",
  async run(context) {
    const chromium = chromiumPath();
    // Each half has a kernel of its own; both have ended before either's failure is told.
    const halves = await Promise.allSettled([
      withoutBrowser(context),
      inBrowser(context, chromium),
    ]);
    const cases = halves.flatMap((half) => {
      if (half.status === "rejected") throw half.reason;
      return half.value;
    });
    return {
      cases,
      metrics: { refused: cases.filter(({ outcome }) => outcome === "passed").length },
      ...(chromium === undefined ? { unavailable: [chromiumMissing] } : {}),
    };
  },
};
