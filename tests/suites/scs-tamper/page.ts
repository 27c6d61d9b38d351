/**
 * The verifier's page in Chromium, from a file in a folder that has nothing else: a proof verifies from
 * the root that is typed; the altered one, and the same one under another root, are refused. Nothing is
 * asked of the network.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromiumPath, startChromium } from "../../lib/chromium.ts";
import { projectRoot, Scratch } from "../../lib/kernel.ts";
import { run } from "../../../tools/lib/project.ts";

export interface PageFound {
  /** Undefined: there is no browser. */
  readonly found: readonly string[] | undefined;
}

export const expectedOnPage: readonly string[] = [
  "Verified; shown and not shown are told; no requests",
  "Refused: it is of another commit",
  "Refused: altered",
  "Refused: no root",
  "That all are opened is told",
];

/** `exact`: of the same commit, with a certificate that none is nearer. */
export const tryPage = async (
  proof: Uint8Array,
  exact: Uint8Array,
  commit: string,
): Promise<PageFound> => {
  const browserPath = chromiumPath();
  if (browserPath === undefined) return { found: undefined };
  using scratch = new Scratch();
  const folder = scratch.folder("elsewhere");
  const page = join(folder, "verify.html");
  const good = join(folder, "good.proof");
  const altered = join(folder, "altered.proof");
  const nearest = join(folder, "nearest.proof");
  writeFileSync(good, proof);
  writeFileSync(nearest, exact);
  const changed = proof.slice();
  changed[changed.length - 40] = (changed[changed.length - 40] as number) ^ 1;
  writeFileSync(altered, changed);
  const program = join(projectRoot, "apps/verify/src/main.ts");
  const args = ["--disable-warning=ExperimentalWarning", program, "page", page];
  const made = await run(process.execPath, args, { cwd: folder, timeoutMs: 20_000 });
  if (made.code !== 0) throw new Error(`the page is not made: ${made.stderr}`);
  const browser = await startChromium(browserPath);
  try {
    const tab = await browser.newPage();
    const asked: string[] = [];
    tab.on("request", (request) => asked.push(request.url()));
    await tab.goto(pathToFileURL(page).href);
    const verdict = async (file: string, root: string): Promise<string> => {
      await tab.locator("#result").evaluate((element) => element.replaceChildren());
      await tab.getByLabel("Proof").setInputFiles(file);
      await tab.getByLabel("Hash of the commit").fill(root);
      await tab.getByLabel("Hash of the commit").press("Enter");
      const heading = tab.locator("#result .verdict");
      await heading.waitFor();
      const text = await tab.locator("#result").innerText();
      if ((await heading.innerText()) === "Verified") {
        const told = /Shown[\s\S]*Not shown[\s\S]*nearest of all[\s\S]*Memories/.test(text);
        const quiet = asked.every((url) => url.startsWith("file:"));
        return `Verified; ${told ? "shown and not shown are told" : text}; ${quiet ? "no requests" : asked.join(" ")}`;
      }
      return `Refused: ${/believed: (.*)\./.exec(text)?.[1] ?? text}`;
    };
    const other = commit.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    const onAltered = await verdict(altered, commit);
    const onNone = await verdict(good, "");
    const onExact = await verdict(nearest, commit);
    const isTold = /Shown[\s\S]*all are opened[\s\S]*Not shown/.test(onExact);
    return {
      found: [
        await verdict(good, commit),
        await verdict(good, other),
        onAltered.startsWith("Refused") ? "Refused: altered" : onAltered,
        onNone === "Refused: there is no root to trust" ? "Refused: no root" : onNone,
        isTold ? "That all are opened is told" : onExact,
      ],
    };
  } finally {
    await browser.close();
  }
};
