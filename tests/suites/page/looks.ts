/**
 * Every screen in both themes at several widths: looked at by axe, measured for reflow, and kept as
 * a picture named screen-theme-width.png.
 */
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import type { Frame, Page } from "playwright-core";
import type { SuiteCase } from "../suite.ts";
import { settled } from "./stage.ts";

export const themes = ["dark", "light"] as const;
export type Theme = (typeof themes)[number];

export interface Screen {
  readonly name: string;
  /** Brings the page there, from whatever screen. */
  readonly open: (page: Page) => Promise<void>;
}

export const goTo = async (page: Page, hash: string): Promise<void> => {
  await page.keyboard.press("Escape");
  await page.evaluate((to) => {
    location.hash = to;
  }, hash);
  await settled(page);
};

const screen = (name: string, hash: string): Screen => ({
  name,
  open: async (page) => await goTo(page, hash),
});

const withTab = (name: string, tab: string): Screen => ({
  name,
  open: async (page) => {
    await goTo(page, "/connect");
    await page.getByRole("tab", { name: tab }).click();
    await settled(page);
  },
});

/** A draft over the text in force, typed where the text ends. */
const draft = async (page: Page, text: string): Promise<void> => {
  await goTo(page, "/policy");
  const drop = page.getByRole("button", { name: "Drop the draft" });
  const editor = page.locator(".cm-content");
  await editor.waitFor();
  // By key: a notice that comes meanwhile would move the button away from under a pointer.
  if (await drop.isEnabled()) await drop.press("Enter");
  await page.locator("button:disabled", { hasText: "Drop the draft" }).waitFor();
  await editor.press("Control+End");
  // The editor takes the text in force after the button says so.
  for (const rule of [wrongRule, newRules]) {
    const line = rule.split("\n").find((each) => each.startsWith("id = ")) ?? "";
    await editor.getByText(line, { exact: true }).waitFor({ state: "hidden" });
  }
  await page.keyboard.insertText(text);
};

const withDraft = (name: string, tab: string, text: string, wait: string): Screen => ({
  name,
  open: async (page) => {
    await draft(page, text);
    await goTo(page, `/policy?tab=${tab}`);
    await page.waitForSelector(wait);
    await settled(page);
  },
});

const wrongRule = '\n[[rule]]\nid = "a"\nefect = "allow"\ntarget = ["fs::reed"]\n';
const newRules = `
[[rule]]
id = "look-reads"
effect = "deny"
target = ["fs::read"]
where.path = { glob = "scope:/private/**" }

[[rule]]
id = "look-shadow"
effect = "ask"
shadow = true
target = ["fs::read", "fs::write"]
where.path = { glob = "scope:/**" }
`;

const withKeys = (name: string, keys: string, wait: string): Screen => ({
  name,
  open: async (page) => {
    await goTo(page, "/");
    await page.locator("main").focus();
    await page.keyboard.press(keys);
    await page.waitForSelector(wait);
  },
});

/** Names of a folder's files, to be picked for a task. */
const attach = (folder: string): Screen => ({
  name: "attach",
  open: async (page) => {
    await goTo(page, "/");
    await page.locator("main").focus();
    await page.keyboard.press("Control+k");
    await page.getByLabel("Folder", { exact: true }).fill(folder);
    // The list of folders closes where the field is left.
    await page.locator(".goal").focus();
    await page.locator("summary", { hasText: "Attach files" }).press("Enter");
    await page.waitForSelector(".files-item");
  },
});

/** One is kept and found, with its proof verified. */
const memories: Screen = {
  name: "memory",
  open: async (page) => {
    await goTo(page, "/memory");
    await page.getByLabel("What is kept").fill("Ann drinks tea.");
    await page.getByLabel("What is kept").press("Enter");
    await page
      .getByText(/^Kept as memory/)
      .first()
      .waitFor();
    await page.getByLabel("What is looked for").fill("what does Ann drink");
    await page.getByLabel("What is looked for").press("Enter");
    await page.waitForSelector('[data-proof="true"]');
  },
};

/** The screens; a task and its card are there when the sessions are named. */
export const screensOf = (sessions: {
  readonly task: string;
  readonly waiting: string;
  readonly answer: string;
  /** A folder of the home with a file. */
  readonly folder: string;
}): readonly Screen[] => [
  screen("tasks", "/"),
  screen("task", `/task/${sessions.task}`),
  {
    name: "action",
    open: async (page) => {
      await goTo(page, `/task/${sessions.task}`);
      const row = page.locator(".action-row").first();
      if ((await row.getAttribute("aria-expanded")) === "false") await row.click();
      await page.waitForSelector(".detail");
    },
  },
  screen("answer", `/task/${sessions.answer}`),
  screen("card", `/task/${sessions.waiting}`),
  {
    name: "receipts",
    open: async (page) => {
      await goTo(page, "/receipts?open=1");
      // By key: a click at once after a scroll may still go to the frame that stood there.
      await page.waitForSelector(".detail");
      await page.getByRole("button", { name: "Verify in this browser" }).press("Enter");
      await page.waitForSelector("[data-verified]");
    },
  },
  withTab("models", "Models"),
  withTab("secrets", "Secrets"),
  withTab("devices", "Devices"),
  screen("policy", "/policy"),
  withDraft("policy-problems", "problems", wrongRule, '[aria-label="Problems"] .problem-row'),
  withDraft("policy-changes", "changes", newRules, ".change-row"),
  withDraft("policy-shadow", "shadow", newRules, ".shadow-rule"),
  {
    name: "policy-try",
    open: async (page) => {
      await draft(page, newRules);
      await goTo(page, "/policy?tab=try");
      await page.getByLabel(/^path/).fill("scope:/private/a.txt");
      await page.getByRole("button", { name: "Judge it" }).press("Enter");
      await page.waitForSelector(".judged");
    },
  },
  {
    name: "policy-explain",
    open: async (page) => {
      await goTo(page, "/policy?tab=explain");
      await page.locator(".past-row").first().press("Enter");
      await page.waitForSelector(".judged");
    },
  },
  screen("policy-learn", "/policy?tab=learn"),
  screen("policy-tests", "/policy?tab=tests"),
  screen("policy-history", "/policy?tab=history"),
  memories,
  screen("doctor", "/doctor"),
  screen("tour", "/tour"),
  withKeys("spotlight", "Control+k", ".goal"),
  attach(sessions.folder),
  withKeys("commands", "Control+/", ".palette-item"),
  withKeys("keys", "?", ".key-list"),
];

const axeSource = fs.readFileSync(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

const axeTags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

interface AxeGlobal {
  readonly axe: {
    run(
      context: Document,
      options: object,
    ): Promise<{
      readonly violations: readonly {
        readonly id: string;
        readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
      }[];
    }>;
  };
}

const axeIn = async (frame: Frame): Promise<readonly string[]> => {
  const there = await frame.evaluate(() => "axe" in globalThis);
  // Through the debugger, to which the page's own policy does not apply.
  if (!there) await frame.evaluate(axeSource);
  return await frame.evaluate(async (tags) => {
    const { axe } = globalThis as unknown as AxeGlobal;
    const { violations } = await axe.run(document, {
      runOnly: { type: "tag", values: tags },
      resultTypes: ["violations"],
      iframes: false,
    });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(
        ({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} (${failureSummary ?? ""})`,
      ),
    );
  }, axeTags);
};

/** Where a frame's document is replaced meanwhile, the one that stands there then is looked at; a frame that is gone shows nothing. */
const axeSettled = async (frame: Frame): Promise<readonly string[]> => {
  for (let replaced = 0; ; replaced++) {
    if (frame.isDetached()) return [];
    try {
      await frame.waitForLoadState("load");
      return await axeIn(frame);
    } catch (error) {
      if (frame.isDetached()) return [];
      if (replaced === 3 || !/context was destroyed/.test(String(error))) throw error;
    }
  }
};

/** Everything that axe finds on the page and in the frame of its cards. */
export const axeOf = async (page: Page): Promise<readonly string[]> => {
  const found: string[] = [];
  for (const frame of page.frames()) found.push(...(await axeSettled(frame)));
  return found;
};

/** Animations over, and none about to begin: a colour on its way from one to another is neither. */
const still = async (page: Page): Promise<void> => {
  await page.evaluate(async () => {
    for (let quietFrames = 0; quietFrames < 2;) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
      const ending = document
        .getAnimations()
        .filter((each) => each.effect?.getTiming().iterations !== Number.POSITIVE_INFINITY);
      quietFrames = ending.length === 0 ? quietFrames + 1 : 0;
      await Promise.all(ending.map((each) => each.finished.catch(() => undefined)));
    }
  });
};

export interface Look {
  readonly screen: string;
  readonly theme: Theme;
  readonly width: number;
  readonly violations: readonly string[];
  /** Pixels that the page is wider than its window. */
  readonly overflowPx: number;
}

const heightOf = (width: number): number => (width < 600 ? 640 : width > 2000 ? 1440 : 800);

/** One look at one screen as it stands. */
const lookAt = async (
  page: Page,
  folder: string,
  name: string,
): Promise<Omit<Look, "screen" | "theme" | "width">> => {
  await still(page);
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
  const overflowPx = await page.evaluate(
    () => (document.scrollingElement?.scrollWidth ?? 0) - innerWidth,
  );
  return { violations: await axeOf(page), overflowPx: Math.max(0, overflowPx) };
};

export interface LookOptions {
  readonly folder: string;
  /** Each screen once, at the places in turn; else each screen at every place. */
  readonly quick: boolean;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Place {
  readonly theme: Theme;
  readonly width: number;
}

export const takeLooks = async (
  page: Page,
  screens: readonly Screen[],
  places: readonly Place[],
  options: LookOptions,
): Promise<readonly Look[]> => {
  const { folder, quick, progress, signal } = options;
  fs.mkdirSync(folder, { recursive: true });
  const looks: Look[] = [];
  for (const [turn, { theme, width }] of places.entries()) {
    progress(`${theme}, ${width} px`);
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width, height: heightOf(width) });
    const now = quick ? screens.filter((_, index) => index % places.length === turn) : screens;
    for (const { name, open } of now) {
      signal.throwIfAborted();
      const look = await open(page)
        .then(() => lookAt(page, folder, `${name}-${theme}-${width}`))
        .catch(async (error: unknown) => {
          await page.screenshot({
            path: path.join(folder, `failed-${name}-${theme}-${width}.png`),
          });
          return { violations: [`not looked at: ${String(error)}`], overflowPx: 0 };
        });
      looks.push({ screen: name, theme, width, ...look });
    }
  }
  return looks;
};

export const casesOf = (looks: readonly Look[]): readonly SuiteCase[] =>
  looks.flatMap(({ screen: name, theme, width, violations, overflowPx }): readonly SuiteCase[] => {
    const at = `${name}-${theme}-${width}`;
    return [
      {
        id: `axe-${at}`,
        outcome: violations.length === 0 ? "passed" : "failed",
        expected: "no violation",
        actual: violations.join("\n"),
        control: "harmed",
      },
      {
        id: `reflow-${at}`,
        outcome: overflowPx === 0 ? "passed" : "failed",
        expected: "no sideways scrolling",
        actual: `${overflowPx} px too wide`,
      },
    ];
  });
