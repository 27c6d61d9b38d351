/** Doctor by keyboard: the self-test is begun, followed and read. */
import path from "node:path";
import type { Page } from "playwright-core";
import type { SuiteCase } from "../suite.ts";
import { type Stage, tabTo } from "./stage.ts";

/** A self-test on a busy machine, in milliseconds. */
const selfTestMs = 120_000;

const expected = "the self-test is begun by keyboard, shows how far it is, and says what held";

const figure = async (page: Page, name: string): Promise<number> => {
  const of = page.locator(".doctor-figures > div", { hasText: name });
  return Number(((await of.locator("dd").textContent()) ?? "").replaceAll(",", ""));
};

const begin = async (page: Page): Promise<void> => {
  await page.locator("main").focus();
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  await page.locator("h1", { hasText: "Doctor" }).waitFor();
  await tabTo(page, "Measure now");
  await page.keyboard.press("Enter");
  await page.getByRole("progressbar", { name: "Sandboxes tried" }).waitFor();
};

const end = async (page: Page): Promise<string | undefined> => {
  await page.getByRole("button", { name: "Measure again" }).waitFor({ timeout: selfTestMs });
  const tried = await figure(page, "Tried");
  const [held, escaped] = [await figure(page, "Held"), await figure(page, "Got out")];
  const notProtected = page.getByRole("list", { name: "Not protected" });
  if ((await notProtected.getByRole("listitem").count()) === 0) return "it protects from all";
  return tried > 0 && tried === held + escaped
    ? undefined
    : `${tried} tried, ${held} held, ${escaped} got out`;
};

/** On a page of its own. */
export const doctorJob = async (stage: Stage, pictures: string): Promise<SuiteCase> => {
  const page = await stage.newPage();
  let actual: string | undefined;
  try {
    await begin(page);
    actual = await end(page);
  } catch (error) {
    actual = error instanceof Error ? error.message : String(error);
    const file = path.join(pictures, "failed-job-doctor.png");
    await page.screenshot({ path: file }).catch(() => undefined);
  }
  await page
    .context()
    .close()
    .catch(() => undefined);
  return actual === undefined
    ? { id: "job-doctor", expected, outcome: "passed" }
    : { id: "job-doctor", expected, outcome: "failed", actual };
};
