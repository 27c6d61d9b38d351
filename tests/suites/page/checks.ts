/**
 * What must hold on every screen and shows on none: first paint, focus that can be seen, text that
 * stays text, receipts that were altered, keys that can be switched off.
 */
import fs from "node:fs";
import type { Page } from "playwright-core";
import { openLink } from "../../lib/chromium.ts";
import type { SuiteCase } from "../suite.ts";
import { axeOf, goTo } from "./looks.ts";
import { cardsFrame, patienceMs, type Stage } from "./stage.ts";

const caseOf = (
  id: string,
  expected: string,
  actual: string | undefined,
  control?: "harmed" | "harmless",
): SuiteCase => ({
  id,
  expected,
  outcome: actual === undefined ? "passed" : "failed",
  ...(actual === undefined ? {} : { actual }),
  ...(control === undefined ? {} : { control }),
});

/** First contentful paint of so many loads, each in a browser that has nothing cached. */
export const paints = async (stage: Stage, loads: number): Promise<readonly number[]> => {
  const found: number[] = [];
  for (let load = 0; load < loads; load++) {
    const context = await stage.newContext({});
    const page = await context.newPage();
    page.setDefaultTimeout(patienceMs);
    await page.goto(await openLink(stage.data));
    // The link's own page has a heading too, and goes on to the real one.
    await page.waitForURL((url) => url.pathname === "/");
    await page.waitForSelector("h1");
    found.push(
      await page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            new PerformanceObserver((list) => {
              const paint = list.getEntriesByName("first-contentful-paint")[0];
              if (paint !== undefined) resolve(paint.startTime);
            }).observe({ type: "paint", buffered: true });
          }),
      ),
    );
    await context.close();
  }
  return found;
};

/** The control of every look: axe does find what is planted. */
export const axeControl = async (page: Page): Promise<boolean> => {
  // A dialog that was left open would hide what is planted.
  await goTo(page, "/");
  await page.evaluate(() => {
    const planted = document.createElement("div");
    planted.id = "planted";
    planted.append(document.createElement("img"), document.createElement("button"));
    document.querySelector("main")?.append(planted);
  });
  const found = await axeOf(page);
  await page.evaluate(() => document.querySelector("#planted")?.remove());
  return found.some((each) => each.startsWith("image-alt")) && found.length >= 2;
};

/** Every stop of the Tab key shows where it is. */
const focusIsSeen = async (page: Page): Promise<string | undefined> => {
  await goTo(page, "/receipts");
  const unseen: string[] = [];
  for (let tabs = 0; tabs < 25; tabs++) {
    await page.keyboard.press("Tab");
    const bad = await page.evaluate(() => {
      const element = document.activeElement;
      // A frame shows the focus within it.
      if (element === null || element === document.body || element.tagName === "IFRAME") {
        return undefined;
      }
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return outlineStyle === "none" || outlineWidth === "0px" ? element.outerHTML : undefined;
    });
    if (bad !== undefined) unseen.push(bad.slice(0, 120));
  }
  return unseen.length === 0 ? undefined : unseen.join("\n");
};

const hostile =
  '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\u202Etxt.exe\u200B';

/** A file whose name and content are a script, read and shown. */
const textStaysText = async (page: Page, stage: Stage): Promise<string | undefined> => {
  const folder = stage.at("hostile");
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(`${folder}/a.html`, hostile);
  const { json } = await stage.ioi("run", "--workspace", folder, "--json", "/read a.html");
  const { session } = json as { readonly session: string };
  await goTo(page, `/task/${session}`);
  await page.waitForSelector(".action-row");
  await page.locator(".action-row").first().click();
  const shown = (await page.locator(".detail .lines").textContent()) ?? "";
  const hit = await page.evaluate(
    () => "hit" in globalThis || document.querySelector("main img, main script") !== null,
  );
  if (hit) return "it became an element";
  if (!shown.includes("<img src=x")) return `shown as ${shown}`;
  return shown.includes("\u27E8U+202E\u27E9") ? undefined : "what is invisible was not shown";
};

interface ExportReply {
  readonly bundle: string;
  readonly identity: string;
}

/** What the page gets when it asks; asked in the page, which alone has the cookie. */
const exportReply = async (page: Page): Promise<ExportReply> =>
  await page.evaluate(async () => {
    const response = await fetch("/ioi.console.v1.Console/ExportReceipts", {
      method: "POST",
      headers: { "content-type": "application/json", "connect-protocol-version": "1" },
      body: "{}",
    });
    return (await response.json()) as ExportReply;
  });

/** One bit of one receipt turned. */
const altered = ({ bundle, identity }: ExportReply): ExportReply => {
  const value = JSON.parse(Buffer.from(bundle, "base64").toString("utf8")) as {
    entries: { leaf: string }[];
  };
  const entry = value.entries[1];
  if (entry === undefined) throw new Error("there are no receipts to alter");
  const last = Number.parseInt(entry.leaf.slice(-1), 16) ^ 1;
  entry.leaf = `${entry.leaf.slice(0, -1)}${last.toString(16)}`;
  return { bundle: Buffer.from(JSON.stringify(value)).toString("base64"), identity };
};

/** The page before a console that lies about one receipt. */
const alteredIsFound = async (page: Page): Promise<string | undefined> => {
  const path = "**/ioi.console.v1.Console/ExportReceipts";
  const json = altered(await exportReply(page));
  await page.route(path, (route) => route.fulfill({ json }));
  await goTo(page, "/doctor");
  await goTo(page, "/receipts");
  await page.getByRole("button", { name: "Verify in this browser" }).click();
  const shown = await page.waitForSelector("[data-verified]");
  const verdict = await shown.getAttribute("data-verified");
  await page.unroute(path);
  return verdict === "false" ? undefined : "an altered export verified";
};

const keysCanBeSwitchedOff = async (page: Page): Promise<string | undefined> => {
  const place = async (): Promise<string> => {
    await goTo(page, "/");
    await page.locator("main").focus();
    await page.keyboard.press("g");
    await page.keyboard.press("p");
    await page.waitForTimeout(50);
    return page.url().split("#")[1] ?? "";
  };
  const on = await place();
  await goTo(page, "/");
  const toggle = async (): Promise<void> => {
    await page.getByRole("button", { name: "Keys" }).click();
    await page.getByRole("switch").click();
    await page.keyboard.press("Escape");
  };
  await toggle();
  const off = await place();
  await toggle();
  return on === "/policy" && off === "/" ? undefined : `on: ${on}, off: ${off}`;
};

/** Transitions and animations that begin while Spotlight opens. */
const movements = async (
  stage: Stage,
  reducedMotion: "reduce" | "no-preference",
): Promise<number> => {
  const page = await stage.newPage({ reducedMotion });
  // The first opening loads the dialog and does not move in any case.
  await page.keyboard.press("Control+k");
  await page.waitForSelector(".goal:focus");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".goal", { state: "detached" });
  await page.evaluate(() => {
    const seen = globalThis as unknown as { moved: number };
    seen.moved = 0;
    for (const name of ["transitionrun", "animationstart"]) {
      addEventListener(name, () => (seen.moved += 1), { capture: true });
    }
  });
  await page.keyboard.press("Control+k");
  await page.waitForSelector(".goal:focus");
  const moved = await page.evaluate(
    () =>
      (globalThis as unknown as { readonly moved: number }).moved + document.getAnimations().length,
  );
  await page.context().close();
  return moved;
};

/** With reduced motion nothing moves; control: without, the dialog does. */
const still = async (stage: Stage): Promise<SuiteCase> => {
  const moved = await movements(stage, "reduce");
  const control = (await movements(stage, "no-preference")) > 0 ? "harmed" : "harmless";
  const actual = moved === 0 ? undefined : `${moved} movements`;
  return caseOf("still", "nothing moves with reduced motion", actual, control);
};

const waitingTask = async (stage: Stage): Promise<string> => {
  const folder = stage.at("home-work");
  const args = ["run", "--workspace", folder, "--json", "--on-ask", "pend", "/read .settings"];
  const { json } = await stage.ioi(...args);
  return (json as { readonly session: string }).session;
};

/** A card that comes while somebody types takes neither the focus nor a key. */
const typingStays = async (page: Page, stage: Stage): Promise<string | undefined> => {
  const words = "a sad tale as typed";
  await goTo(page, "/");
  await page.locator("main").focus();
  await page.keyboard.press("Control+k");
  await page.waitForSelector(".goal");
  const half = words.length / 2;
  await page.keyboard.type(words.slice(0, half));
  const session = await waitingTask(stage);
  const frame = await cardsFrame(page);
  await frame.waitForSelector("#card-title");
  // Longer than a new card takes no key.
  await frame.waitForSelector('button:not([aria-disabled="true"]):has-text("Deny")');
  await page.keyboard.type(words.slice(half));
  const typed = await page.locator(".goal").inputValue();
  const stole = await frame.evaluate(() => document.hasFocus());
  await page.keyboard.press("Escape");
  await stage.ioi("stop", session);
  if (stole) return "the card has the focus";
  return typed === words ? undefined : `typed "${words}", there stands "${typed}"`;
};

const richTask = async (stage: Stage): Promise<string> => {
  const folder = stage.at("home-work");
  const text =
    '/list && /read notes.txt && /write notes.txt "one more line" && /read notes.txt && /run sort notes.txt && /read /etc/shadow';
  const { json } = await stage.ioi("run", "--workspace", folder, "--json", text);
  return (json as { readonly session: string }).session;
};

const guarded = async (
  id: string,
  expected: string,
  check: () => Promise<string | undefined>,
  control?: "harmed",
): Promise<SuiteCase> => {
  try {
    return caseOf(id, expected, await check(), control);
  } catch (error) {
    return caseOf(id, expected, error instanceof Error ? error.message : String(error));
  }
};

/** The cases, and the sessions on which the looks are taken. */
export const fixedCases = async (
  stage: Stage,
  page: Page,
): Promise<{
  readonly cases: readonly SuiteCase[];
  readonly sessions: { readonly task: string; readonly waiting: string } | undefined;
}> => {
  const cases = [
    await guarded("focus-seen", "every stop of Tab has an outline", () => focusIsSeen(page)),
    await guarded("text-stays-text", "markup is shown, not run", () => textStaysText(page, stage)),
    await guarded("altered-found", "an altered export does not verify", () => alteredIsFound(page)),
    await guarded("keys-off", "single keys can be switched off", () => keysCanBeSwitchedOff(page)),
    await guarded("typing-stays", "a card takes nothing of what is typed elsewhere", () =>
      typingStays(page, stage),
    ),
    await still(stage),
  ];
  const task = await richTask(stage);
  return { cases, sessions: { task, waiting: await waitingTask(stage) } };
};
