/**
 * A kernel with its page, and one browser that opened it: what every case of the page plays on.
 * Everything that goes wrong beside a case (an exception in the page, a refused load, a breach of
 * the page's policy) is collected, since a case may pass over it.
 */
import path from "node:path";
import type { Browser, BrowserContext, Frame, Page } from "playwright-core";
import { buildPage, openLink, pagesFolder, startChromium } from "../../lib/chromium.ts";
import { ioiHere } from "../../lib/cli-here.ts";
import { type CliResult, Scratch, TestKernel } from "../../lib/kernel.ts";

/** How long anything on the page may take before the case has failed, in milliseconds. */
export const patienceMs = 20_000;

const collect = (page: Page, problems: string[]): void => {
  page.on("pageerror", ({ message }) => problems.push(`exception: ${message}`));
  page.on("console", (message) => {
    // A refused load is told below, with its address.
    const isLoad = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isLoad) problems.push(`console: ${message.text()}`);
  });
  page.on("response", (response) => {
    if (response.status() < 400) return;
    const said = `${response.status()}: ${response.url()}`;
    const place = problems.push(said) - 1;
    // Why, where the page is still there to be asked.
    response.text().then(
      (text) => (problems[place] = `${said}: ${text.slice(0, 300)}`),
      () => undefined,
    );
  });
};

export interface OpenOptions {
  readonly width?: number;
  readonly height?: number;
  readonly theme?: "light" | "dark";
  readonly reducedMotion?: "reduce" | "no-preference";
}

export class Stage implements AsyncDisposable {
  readonly scratch: Scratch;
  readonly kernel: TestKernel;
  readonly browser: Browser;
  readonly problems: string[] = [];

  private constructor(scratch: Scratch, kernel: TestKernel, browser: Browser) {
    this.scratch = scratch;
    this.kernel = kernel;
    this.browser = browser;
  }

  static async open(chromium: string): Promise<Stage> {
    await buildPage();
    const scratch = new Scratch();
    const data = scratch.at("data");
    const [kernel, browser] = await Promise.all([
      // Its folders are the person's own: the choosers name what is in them.
      TestKernel.start({ data, pages: pagesFolder, home: scratch.path }),
      startChromium(chromium),
    ]);
    return new Stage(scratch, kernel, browser);
  }

  get data(): string {
    return this.scratch.at("data");
  }

  at(...parts: readonly string[]): string {
    return path.join(this.scratch.path, ...parts);
  }

  /** What is done beside the page. */
  ioi(...args: readonly string[]): Promise<CliResult> {
    return ioiHere([...args, "--data", this.data]);
  }

  /** A browser that knows nothing yet, with the page opened by a link. */
  async newPage(options: OpenOptions = {}): Promise<Page> {
    const context = await this.newContext(options);
    const page = await context.newPage();
    collect(page, this.problems);
    page.setDefaultTimeout(patienceMs);
    await page.goto(await openLink(this.data));
    // The link's own page has a heading too, and goes on to the real one.
    await page.waitForURL((url) => url.pathname === "/");
    await page.waitForSelector("h1");
    return page;
  }

  async newContext(options: OpenOptions): Promise<BrowserContext> {
    return await this.browser.newContext({
      viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
      colorScheme: options.theme ?? "dark",
      reducedMotion: options.reducedMotion ?? "no-preference",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.kernel[Symbol.asyncDispose]();
    this.scratch[Symbol.dispose]();
  }
}

/** The approval page's frame, once it is there. */
export const cardsFrame = async (page: Page): Promise<Frame> => {
  const element = await page.waitForSelector("iframe");
  const frame = await element.contentFrame();
  if (frame === null) throw new Error("the frame of the cards has no content");
  // Its link is redeemed first, and then it goes where the cards are.
  await frame.waitForURL((url) => url.pathname === "/");
  await frame.waitForSelector("#page h1");
  return frame;
};

/** The screen stands: nothing of it is still on its way. */
export const settled = async (page: Page): Promise<void> => {
  await page.waitForSelector("h1");
  await page.waitForFunction(() => document.querySelector(".waiting") === null);
  if ((await page.locator("iframe").count()) > 0) await cardsFrame(page);
};

/** What a screen reader would call the element that has the focus. */
const focusedName = async (frame: Frame): Promise<string> =>
  await frame.evaluate(() => {
    // What a frame that has not the focus remembers is not where the keys go.
    if (!document.hasFocus()) return "";
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    const label = element?.getAttribute("aria-label") ?? "";
    const own = element instanceof HTMLInputElement ? element.labels?.[0]?.textContent : "";
    return label || own || (element?.textContent ?? "").trim();
  });

const tabsMax = 80;

/** Tab until the focus is on what is called so; what it passed where it never came there. */
export const tabTo = async (page: Page, name: string | RegExp, frame?: Frame): Promise<void> => {
  const passed: string[] = [];
  for (let tabs = 0; tabs < tabsMax; tabs++) {
    const now = await focusedName(frame ?? page.mainFrame());
    if (typeof name === "string" ? now.startsWith(name) : name.test(now)) return;
    passed.push(now.slice(0, 24));
    await page.keyboard.press("Tab");
  }
  throw new Error(`no way by keyboard to ${String(name)}; passed ${passed.join(" | ")}`);
};
