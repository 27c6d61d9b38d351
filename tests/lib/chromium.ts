/**
 * Debian's Chromium, driven through playwright-core: headless, on a profile of its own. Where it is
 * not installed, suites say so and are skipped.
 */
import fs from "node:fs";
import path from "node:path";
import { type Browser, chromium } from "playwright-core";
import { ioi, projectRoot } from "./kernel.ts";
import { run } from "../../tools/lib/project.ts";

const places: readonly string[] = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

/** Where it is; undefined where it is not installed. */
export const chromiumPath = (): string | undefined =>
  [process.env["IOI_CHROMIUM"] ?? "", ...places].find((each) => each !== "" && fs.existsSync(each));

export const chromiumMissing = "Chromium is not installed: apt-get install chromium";

export const startChromium = async (executablePath: string): Promise<Browser> =>
  await chromium.launch({
    executablePath,
    // Its own sandbox refuses to work for root, as which CI runs.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });

/** Where built pages lie in this installation. */
export const pagesFolder: string = path.join(projectRoot, ".runtime/page");

/** The page of these sources, built if it is not there, so that no test waits for it. */
export const buildPage = async (): Promise<void> => {
  const main = path.join(projectRoot, "apps/autopilot/build/main.ts");
  const ended = await run(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", main, pagesFolder],
    { cwd: projectRoot, timeoutMs: 60_000 },
  );
  if (ended.code !== 0) throw new Error(`the page does not build: ${ended.stderr}`);
};

/** A link that opens the page of a running kernel, once. */
export const openLink = async (data: string): Promise<string> => {
  const { json, stderr } = await ioi(["open", "--data", data, "--json"]);
  const { url } = (json ?? {}) as { readonly url?: string };
  if (url === undefined) throw new Error(`no link: ${stderr}`);
  return url;
};
