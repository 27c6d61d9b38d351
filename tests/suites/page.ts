/**
 * `suite page`: the page in a real browser on a real kernel. The main job by keyboard alone; every
 * screen in both themes at three widths before axe; first paint; what an agent writes stays text;
 * receipts that were altered do not verify. Pictures of every screen are kept under `out/`.
 */
import { chromiumMissing, chromiumPath } from "../lib/chromium.ts";
import { play } from "./page/play.ts";
import type { Suite } from "./suite.ts";

export const suite: Suite = {
  name: "page",
  covers: ["agent 3", "contract people", "product main job", "architecture 3"],
  summary: "the page in a real browser: the main job by keyboard, axe on every screen, first paint",
  run: async (context) => {
    const chromium = chromiumPath();
    return chromium === undefined
      ? { cases: [], unavailable: [chromiumMissing] }
      : await play(context, chromium);
  },
};
