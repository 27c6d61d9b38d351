/**
 * A task that has used up its budget rests, says so, and goes on with more: by keyboard, from the
 * list of tasks. While it rests it can be stopped.
 */
import path from "node:path";
import type { Page } from "playwright-core";
import type { SuiteCase } from "../suite.ts";
import { axeOf, goTo } from "./looks.ts";
import { type Stage, tabTo } from "./stage.ts";

const commands = "/list . && /read notes.txt && /list .";

const shown = async (page: Page, state: string): Promise<void> =>
  await page.locator(".facts").getByText(state, { exact: true }).waitFor();

/** The same task in a narrow browser of its own: what axe finds there. */
const lookOf = async (
  stage: Stage,
  session: string,
  pictures: string,
): Promise<string | undefined> => {
  const narrow = await stage.newPage({ width: 320, height: 640, theme: "light" });
  try {
    await goTo(narrow, `/task/${session}`);
    await narrow.locator(".rest").waitFor();
    await narrow.screenshot({ path: path.join(pictures, "paused-light-320.png") });
    const found = await axeOf(narrow);
    return found.length === 0 ? undefined : `axe: ${found.join("; ")}`;
  } finally {
    await narrow.context().close();
  }
};

const play = async (stage: Stage, page: Page, pictures: string): Promise<string | undefined> => {
  const folder = stage.at("home-work");
  const more = ["--workspace", folder, "--actions", "1", "--on-ask", "pend", "--json"];
  const { json } = await stage.ioi("run", ...more, commands);
  const { session, state } = json as { readonly session: string; readonly state: string };
  if (state !== "paused") return `it is ${state} instead of paused`;
  await page.goto(`${new URL(page.url()).origin}/#/task/${session}`);
  await shown(page, "Paused");
  if ((await page.getByRole("button", { name: "Stop" }).count()) !== 1)
    return "it cannot be stopped";
  const seen = await lookOf(stage, session, pictures);
  if (seen !== undefined) return seen;
  await tabTo(page, "Actions, at most");
  const offered = await page.getByLabel("Actions, at most").inputValue();
  if (offered !== "2") return `it offers ${offered} actions`;
  await page.keyboard.press("Enter");
  await page.locator(".rest input").and(page.locator('[value="4"]')).waitFor();
  await tabTo(page, "Go on");
  await page.keyboard.press("Enter");
  await shown(page, "Done");
  const actions = await page.locator(".timeline [data-row]").count();
  return actions === 3 ? undefined : `${actions} actions are on the timeline`;
};

export const budgetJob = async (stage: Stage, page: Page, pictures: string): Promise<SuiteCase> => {
  const id = "job-budget";
  const expected = "a task at its budget rests and goes on, to its end, with more";
  const actual = await play(stage, page, pictures).catch((error: unknown) =>
    error instanceof Error ? error.message : String(error),
  );
  return actual === undefined
    ? { id, expected, outcome: "passed" }
    : { id, expected, outcome: "failed", actual };
};
