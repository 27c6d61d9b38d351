/**
 * A write over a file that asks: its card shows line by line what changes, reachable by keyboard, in
 * both themes, at the narrowest width, with what is invisible shown. Afterwards it is denied.
 */
import fs from "node:fs";
import path from "node:path";
import type { Frame, Page } from "playwright-core";
import type { SuiteCase } from "../suite.ts";
import { axeOf, goTo, themes } from "./looks.ts";
import { cardsFrame, type Stage, tabTo } from "./stage.ts";

const before = Array.from({ length: 40 }, (_, at) => `line ${at + 1}\n`).join("");
const after = before.replace("line 20\n", "line \u202E20\nand one that was not there\n");

const wanted = [
  "@@ -17,7 +17,8 @@",
  " line 19",
  "-line 20",
  "+line \u27e8U+202E\u27e920",
  "+and one that was not there",
  " line 21",
];

const shownIn = async (frame: Frame): Promise<string | undefined> => {
  const shown = (await frame.locator("pre#change").textContent()) ?? "";
  const lines = new Set(shown.split("\n"));
  const lacks = wanted.filter((each) => !lines.has(each));
  return lacks.length === 0 ? undefined : `the card lacks ${lacks.join(" | ")} in ${shown}`;
};

const look = async (page: Page, folder: string, name: string): Promise<string | undefined> => {
  const frame = await cardsFrame(page);
  await frame.locator("pre#change").scrollIntoViewIfNeeded();
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
  const found = await axeOf(page);
  if (found.length > 0) return `${name}: ${found.join("; ")}`;
  const widerPx = await frame.evaluate(
    () => (document.scrollingElement?.scrollWidth ?? 0) - innerWidth,
  );
  return widerPx > 0 ? `${name}: ${widerPx} px too wide` : undefined;
};

const play = async (stage: Stage, page: Page, folder: string): Promise<string | undefined> => {
  const workspace = stage.at("home-work");
  const file = path.join(workspace, "package.json");
  fs.writeFileSync(file, before);
  const goal = `/write package.json "${after}"`;
  const args = ["run", "--workspace", workspace, "--json", "--on-ask", "pend", goal];
  const { json } = await stage.ioi(...args);
  const { session } = json as { readonly session: string };
  await goTo(page, `/task/${session}`);
  const frame = await cardsFrame(page);
  await frame.locator("pre#change").waitFor();
  const lacks = await shownIn(frame);
  if (lacks !== undefined) return lacks;
  const size = page.viewportSize();
  for (const colorScheme of themes) {
    for (const width of [320, 1280]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: width < 600 ? 640 : 800 });
      const bad = await look(page, folder, `change-${colorScheme}-${width}`);
      if (bad !== undefined) return bad;
    }
  }
  if (size !== null) await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.locator("main").focus();
  await page.keyboard.press("c");
  await tabTo(page, /^\d+ bytes become/, frame);
  await frame.waitForSelector('button:not([aria-disabled="true"]):has-text("Deny")');
  await page.keyboard.press("d");
  await page.locator(".facts").getByText("Failed", { exact: true }).waitFor();
  fs.rmSync(file);
  return undefined;
};

export const changeJob = async (stage: Stage, page: Page, pictures: string): Promise<SuiteCase> => {
  const id = "job-change";
  const expected = "the card of a write shows what changes, to the eye, to axe and by keyboard";
  const actual = await play(stage, page, pictures).catch(async (error: unknown) => {
    await page.screenshot({ path: path.join(pictures, `failed-${id}.png`) });
    return error instanceof Error ? error.message : String(error);
  });
  return actual === undefined
    ? { id, expected, outcome: "passed" }
    : { id, expected, outcome: "failed", actual };
};
