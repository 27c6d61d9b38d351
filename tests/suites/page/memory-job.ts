/**
 * Memories by keyboard alone: one is kept, found with a proof that the browser verifies, its path and
 * its list are there, and it is forgotten once the card was answered.
 */
import path from "node:path";
import type { Page } from "playwright-core";
import type { SuiteCase } from "../suite.ts";
import { axeOf } from "./looks.ts";
import { cardsFrame, tabTo } from "./stage.ts";

const key = "The key is under the mat.";

const keep = async (page: Page): Promise<void> => {
  await page.keyboard.press("Escape");
  await page.locator("main").focus();
  await page.keyboard.press("g");
  await page.keyboard.press("m");
  await page.locator("h1", { hasText: "Memory" }).waitFor();
  await tabTo(page, "What is kept");
  await page.keyboard.type(key);
  await page.keyboard.press("Enter");
  await page
    .getByText(/^Kept as memory \d+\./)
    .first()
    .waitFor();
};

const find = async (page: Page): Promise<string | undefined> => {
  await page.locator("main").focus();
  await tabTo(page, "What is looked for");
  await page.keyboard.type("where is the key");
  await page.keyboard.press("Enter");
  await page.locator('[data-proof="true"]').waitFor();
  const answer = page.locator(".memory-answer").first();
  const text = (await answer.textContent()) ?? "";
  if (!text.includes(key) || !text.includes("typed by you")) return `it shows ${text}`;
  const notShown = page.getByRole("heading", { name: "What it does not show" });
  if ((await notShown.count()) !== 1) return "it does not say what it does not show";
  if ((await page.locator("svg.path .path-answer, svg.path .path-entry").count()) === 0) {
    return "the path of the search is not drawn";
  }
  await tabTo(page, "The same as a list");
  await page.keyboard.press("Enter");
  await page.locator(".path-list li", { hasText: "the entry" }).waitFor();
  const found = await axeOf(page);
  return found.length === 0 ? undefined : found.join("; ");
};

const forget = async (page: Page): Promise<string | undefined> => {
  await page.locator("main").focus();
  await tabTo(page, /^Forget memory \d+/);
  await page.keyboard.press("Enter");
  const frame = await cardsFrame(page);
  await frame.getByText("memory::forget").first().waitFor();
  await frame
    .getByRole("button", { name: /^Once/ })
    .and(frame.locator(':not([aria-disabled="true"])'))
    .waitFor();
  await page.locator("main").focus();
  await page.keyboard.press("c");
  await tabTo(page, /^(?:Once|Deny|This session|Why it asks)/, frame);
  await page.keyboard.press("a");
  await page.locator(".memory-answer", { hasText: key }).first().waitFor({ state: "detached" });
  return undefined;
};

const play = async (page: Page): Promise<string | undefined> => {
  await keep(page);
  return (await find(page)) ?? (await forget(page));
};

/** On the page whose browser was paired. */
export const memoryJob = async (page: Page, pictures: string): Promise<SuiteCase> => {
  const id = "job-memory";
  const expected = "a memory is kept, found with its proof verified, and forgotten, by keyboard";
  const actual = await play(page).catch(async (error: unknown) => {
    await page.screenshot({ path: path.join(pictures, `failed-${id}.png`) });
    return error instanceof Error ? error.message : String(error);
  });
  return actual === undefined
    ? { id, expected, outcome: "passed" }
    : { id, expected, outcome: "failed", actual };
};
