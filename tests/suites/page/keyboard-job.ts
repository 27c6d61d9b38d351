/**
 * The main job, by keyboard alone: open the link, Spotlight, a task, its card, the outcome, its undo,
 * its receipts verified in the browser. No mouse, and nothing of the page is called from outside.
 */
import fs from "node:fs";
import path from "node:path";
import type { Page } from "playwright-core";
import type { SuiteCase } from "../suite.ts";
import { cardsFrame, type Stage, tabTo } from "./stage.ts";

type Step = (page: Page, stage: Stage) => Promise<string | undefined>;

const workspaceOf = (stage: Stage): string => stage.at("home-work");

const pictureOf = (file: string): string => {
  const { mode, mtimeNs } = fs.statSync(file, { bigint: true });
  return `${mode} ${mtimeNs} ${fs.readFileSync(file, "utf8")}`;
};

const command = '/read notes.txt && /read .settings && /write notes.txt "changed"';

/** Types the task into Spotlight and lets it go. */
const askFor: Step = async (page, stage) => {
  await page.keyboard.press("Control+k");
  await page.waitForSelector(".goal:focus");
  await page.keyboard.type(command);
  await tabTo(page, "Folder");
  await page.keyboard.type(workspaceOf(stage));
  await page.keyboard.press("Escape");
  await tabTo(page, "Go");
  await page.keyboard.press("Enter");
  await page.getByText("Waits for you", { exact: true }).first().waitFor();
  return undefined;
};

/** Pairs this browser: its key is made in the frame, the code is typed at the terminal. */
const pair: Step = async (page, stage) => {
  const frame = await cardsFrame(page);
  await page.locator("main").focus();
  await page.keyboard.press("c");
  await tabTo(page, "Use a key of this browser", frame);
  await page.keyboard.press("Enter");
  const code = (await frame.locator(".code").textContent()) ?? "";
  const paired = await stage.ioi("devices", "pair", code.trim());
  if (paired.code !== 0) return `pairing ended with ${paired.code}: ${paired.stderr}`;
  await frame.getByText("This browser may answer", { exact: true }).waitFor();
  return undefined;
};

/** Answers the card with its key, once its guard is over. */
const approve: Step = async (page) => {
  const frame = await cardsFrame(page);
  await frame
    .getByRole("button", { name: /^Once/ })
    .and(frame.locator(':not([aria-disabled="true"])'))
    .waitFor();
  await page.keyboard.press("Tab");
  await tabTo(page, /^(?:Once|Deny|This session|Why it asks)/, frame);
  await page.keyboard.press("a");
  await page.locator(".facts").getByText("Done", { exact: true }).waitFor();
  const outcomes = await page.locator(".action-outcome", { hasText: "done" }).count();
  return outcomes === 3 ? undefined : `${outcomes} outcomes, not 3`;
};

const undo: Step = async (page, stage) => {
  const file = `${workspaceOf(stage)}/notes.txt`;
  if (!pictureOf(file).endsWith("changed")) return "the file was not written";
  await page.locator("main").focus();
  await tabTo(page, /^Undo 1 change/);
  await page.keyboard.press("Enter");
  await page.locator("h1", { hasText: "/undo" }).waitFor();
  await page.locator(".facts").getByText("Done", { exact: true }).waitFor();
  return undefined;
};

const verify: Step = async (page) => {
  await page.locator("main").focus();
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.locator("h1", { hasText: "Receipts" }).waitFor();
  await tabTo(page, "Verify in this browser");
  await page.keyboard.press("Enter");
  await page.locator('[data-verified="true"]').waitFor({ timeout: 30_000 });
  return undefined;
};

const heard: Step = async (page) => {
  const said = await page.getByRole("status", { name: "What happened" }).textContent();
  const wanted = [/to decide/, /Done: /, /verified/];
  return wanted.every((each) => each.test(said ?? "")) ? undefined : `it said "${said}"`;
};

const steps: readonly (readonly [string, string, Step])[] = [
  ["job-ask", "a task typed into Spotlight waits for its card", askFor],
  ["job-pair", "this browser is paired by a code at the terminal", pair],
  ["job-approve", "the card is answered and the task is done", approve],
  ["job-undo", "the change is undone", undo],
  ["job-verify", "the receipts verify in the browser", verify],
  ["job-heard", "what happened was announced", heard],
];

/** Plays the job on a page; its cases, in order. What follows a failed step is not tried. */
export const keyboardJob = async (
  stage: Stage,
  page: Page,
  pictures: string,
): Promise<readonly SuiteCase[]> => {
  const workspace = workspaceOf(stage);
  fs.mkdirSync(workspace, { recursive: true });
  fs.writeFileSync(`${workspace}/notes.txt`, "as it was\n", { mode: 0o640 });
  fs.writeFileSync(`${workspace}/.settings`, "key = 1\n");
  const before = pictureOf(`${workspace}/notes.txt`);
  const cases: SuiteCase[] = [];
  for (const [id, expected, step] of steps) {
    let actual: string | undefined;
    try {
      actual = await step(page, stage);
    } catch (error) {
      actual = error instanceof Error ? error.message : String(error);
    }
    cases.push({
      id,
      expected,
      ...(actual === undefined ? { outcome: "passed" } : { outcome: "failed", actual }),
    });
    if (actual !== undefined) {
      await page.screenshot({ path: path.join(pictures, `failed-${id}.png`) });
      return cases;
    }
  }
  const after = pictureOf(`${workspace}/notes.txt`);
  cases.push({
    id: "job-undone-whole",
    outcome: after === before ? "passed" : "failed",
    expected: before,
    actual: after,
  });
  return cases;
};
