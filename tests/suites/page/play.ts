/** Plays the page's cases on one kernel and one browser. */
import fs from "node:fs";
import path from "node:path";
import type { Page } from "playwright-core";
import { quantile, rounded } from "../../lib/statistics.ts";
import type { SuiteCase, SuiteContext, SuiteResult } from "../suite.ts";
import { axeControl, fixedCases, paints } from "./checks.ts";
import { budgetJob } from "./budget-job.ts";
import { changeJob } from "./change-job.ts";
import { memoryJob } from "./memory-job.ts";
import { modelJob } from "./model-job.ts";
import { keyboardJob } from "./keyboard-job.ts";
import { casesOf, screensOf, takeLooks, themes } from "./looks.ts";
import { doctorJob } from "./doctor-job.ts";
import { passkeyJob } from "./passkey-job.ts";
import { policyJob } from "./policy-job.ts";
import { Stage } from "./stage.ts";

const widths = [320, 1280, 2560] as const;
const everywhere = themes.flatMap((theme) => widths.map((width) => ({ theme, width })));

interface Jobs {
  readonly cases: readonly SuiteCase[];
  /** The task that a model answered, where it did. */
  readonly session: string | undefined;
}

/** The jobs by keyboard, one after the other: each finds what the one before it left. */
const playJobs = async (
  { progress }: SuiteContext,
  stage: Stage,
  page: Page,
  folder: string,
): Promise<Jobs> => {
  progress("the main job by keyboard");
  const job = await keyboardJob(stage, page, folder);
  progress("memories by keyboard");
  const withMemory = await memoryJob(page, folder);
  progress("a task in plain words");
  const withModel = await modelJob(stage, page, folder);
  const atBudget = await budgetJob(stage, page, folder);
  progress("a card with what it changes");
  const withChange = await changeJob(stage, page, folder);
  progress("the policy by keyboard");
  const withPolicy = await policyJob(stage, page, folder);
  const withPasskey = await passkeyJob(stage);
  const beforePolicy = [...job, withMemory, withModel.job, atBudget, withChange];
  const cases = [...beforePolicy, ...withPolicy, ...withPasskey];
  return { cases, session: withModel.session };
};

export const play = async (context: SuiteContext, chromium: string): Promise<SuiteResult> => {
  await using stage = await Stage.open(chromium);
  const { progress, signal, quick } = context;
  const folder = path.join(context.outDir ?? path.join(context.root, "out"), "page");
  fs.mkdirSync(folder, { recursive: true });
  // Measured, with nothing beside it.
  progress("first paint");
  const paintsMs = await paints(stage, quick ? 3 : 9);
  const page = await stage.newPage();
  // Nothing of the self-test is on the page of the jobs, nor the other way round.
  const [jobs, withDoctor] = await Promise.all([
    playJobs(context, stage, page, folder),
    doctorJob(stage, folder),
  ]);
  progress("what must hold on every screen");
  const control = await axeControl(page);
  const fixed = await fixedCases(stage, page);
  const { sessions } = fixed;
  const answer = jobs.session ?? sessions?.task ?? "";
  const shown = { answer, folder: stage.at("home-work") };
  const screens = sessions === undefined ? [] : screensOf({ ...sessions, ...shown });
  // In one page: what stands behind another is drawn late, and axe would see it half faded in.
  const looks = await takeLooks(page, screens, everywhere, { quick, folder, progress, signal });
  const axeViolations = looks.reduce((sum, { violations }) => sum + violations.length, 0);
  return {
    cases: [
      ...jobs.cases,
      withDoctor,
      ...fixed.cases,
      ...casesOf(looks).map((each) =>
        each.control === undefined || control ? each : { ...each, control: "harmless" as const },
      ),
      {
        id: "nothing-went-wrong-beside",
        outcome: stage.problems.length === 0 ? "passed" : "failed",
        expected: "no exception, no refused load, no breach of the page's policy",
        actual: stage.problems.join("\n"),
      },
    ],
    metrics: {
      axeViolations,
      firstPaintMs: rounded(quantile(paintsMs, 0.5), 0),
      screens: new Set(looks.map(({ screen }) => screen)).size,
      looks: looks.length,
    },
    goals: [
      { metric: "axeViolations", op: "=", value: 0 },
      { metric: "firstPaintMs", op: "<=", value: 300 },
    ],
  };
};
