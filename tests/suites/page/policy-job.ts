/**
 * The policy on the page, by keyboard alone: an error is said with its line and cannot be saved, by
 * the button nor by the service; what a text changes is shown, it waits for a signature that a key of
 * this browser cannot give, the terminal approves it, and the next action goes by it. Then the same
 * with a passkey, which saves on the card itself.
 */
import fs from "node:fs";
import path from "node:path";
import type { Page } from "playwright-core";
import type { SuiteCase } from "../suite.ts";
import { cardsFrame, settled, type Stage, tabTo } from "./stage.ts";

type Step = (page: Page, stage: Stage) => Promise<string | undefined>;

const ruleWith = (key: string): string => `
[[rule]]
id = "page-job"
${key} = "deny"
target = ["fs::read"]
where.path = { glob = "scope:/page-job/**" }
`;
const wrong = ruleWith("efect");
const rule = ruleWith("effect");

const policyFile = (stage: Stage): string => path.join(stage.data, "guardian/policy.toml");

const goTo = async (page: Page, keys: string, heading: string): Promise<void> => {
  await page.locator("main").focus();
  for (const key of keys) await page.keyboard.press(key);
  await page.locator("h1", { hasText: heading }).waitFor();
};

/** A text with an error, typed at the end of the policy. */
const errorSaid: Step = async (page) => {
  await goTo(page, "gp", "Policy");
  await page.waitForSelector(".cm-content");
  await tabTo(page, "Text of the policy");
  await page.keyboard.press("Control+End");
  // As if pasted: an editor may close brackets of what is typed letter by letter.
  await page.keyboard.insertText(wrong);
  await page
    .getByRole("list", { name: "Problems" })
    .getByText(/unknown key "efect"/)
    .waitFor();
  const said = await page.getByRole("status", { name: "What happened" }).textContent();
  return /has \d+ errors?/.test(said ?? "") ? undefined : `it said "${said}"`;
};

interface Refusal {
  readonly status: number;
  readonly code: string;
}

/** What the service says where the button would not ask it. */
const proposed = async (page: Page, text: string): Promise<Refusal> =>
  await page.evaluate(async (given) => {
    const call = async (method: string, body: object): Promise<Response> =>
      await fetch(`/ioi.console.v1.Console/${method}`, {
        method: "POST",
        headers: { "content-type": "application/json", "connect-protocol-version": "1" },
        body: JSON.stringify(body),
      });
    const { text: now, textHash } = (await (await call("GetPolicy", {})).json()) as {
      readonly text: string;
      readonly textHash: string;
    };
    const answer = await call("ProposePolicy", { text: now + given, baseHash: textHash });
    return { status: answer.status, code: answer.headers.get("ioi-code") ?? "" };
  }, text);

const errorNotSaved: Step = async (page, stage) => {
  const button = page.getByRole("button", { name: "Review and save" });
  if (!(await button.isDisabled())) return "the button can be pressed";
  await page.keyboard.press("Control+s");
  await settled(page);
  if ((await page.getByRole("button", { name: /^Save/ }).count()) > 0) return "it can be saved";
  const refused = await proposed(page, wrong);
  if (refused.status < 400 || !refused.code.startsWith("E_POLICY_")) {
    return `the service said ${refused.status} ${refused.code}`;
  }
  // The refusal was wanted.
  const at = stage.problems.findIndex((each) => each.includes("/ProposePolicy"));
  if (at >= 0) stage.problems.splice(at, 1);
  // The control: what loads is taken, and withdrawn again.
  const control = await proposed(page, rule);
  if (control.status !== 200) return `the service refuses what loads: ${control.code}`;
  const { json } = await stage.ioi("status", "--json");
  const { changes } = (json as { readonly policy: { readonly changes: { id: string }[] } }).policy;
  for (const { id } of changes) await stage.ioi("deny", id);
  return undefined;
};

/** From the list of problems to the line, and mended there. */
const mended: Step = async (page) => {
  await page.locator("main").focus();
  await tabTo(page, "Changes");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("Enter");
  await page.getByRole("list", { name: "Problems" }).waitFor();
  // The row, not the panel that holds all of them.
  await tabTo(page, /^error\s*unknown key "efect"(?:(?!error)[^])*$/);
  await page.keyboard.press("Enter");
  // The cursor stands before the key.
  await page.keyboard.press("ArrowRight");
  await page.keyboard.type("f");
  await page.getByText(/^It loads/).waitFor();
  return undefined;
};

const shownAndProposed: Step = async (page) => {
  await page.keyboard.press("Control+s");
  const narrowed = page.getByRole("region", { name: "No longer allowed" });
  await narrowed.getByText("fs::read", { exact: true }).first().waitFor();
  await tabTo(page, /^Save/);
  await page.keyboard.press("Enter");
  await page.getByText("A change waits to be signed").waitFor();
  return undefined;
};

/** This browser is paired with a key of its own, which does not count for a policy. */
const weakKeyRefused: Step = async (page) => {
  const frame = await cardsFrame(page);
  await frame.getByText("Change the policy?").waitFor();
  // Longer than the card takes nothing.
  await page.waitForTimeout(1_000);
  const save = frame.getByRole("button", { name: /^Save/ });
  if ((await save.getAttribute("aria-disabled")) !== "true") return "Save can be pressed";
  const told = await frame.locator("#card").textContent();
  return /does not count for the policy.*\.\/ioi approve p-/.test(told ?? "")
    ? undefined
    : `the card says "${told}"`;
};

const approvedAtTerminal: Step = async (page, stage) => {
  const { json } = await stage.ioi("status", "--json");
  const { changes } = (json as { readonly policy: { readonly changes: { id: string }[] } }).policy;
  const approved = await stage.ioi("approve", changes[0]?.id ?? "none");
  if (approved.code !== 0) return `approve ended with ${approved.code}: ${approved.stderr}`;
  await page.getByText("saved with a device's signature").waitFor();
  const text = fs.readFileSync(policyFile(stage), "utf8");
  if (!text.endsWith(rule)) return "the file does not hold the new text";
  const folder = stage.at("home-work");
  fs.mkdirSync(path.join(folder, "page-job"), { recursive: true });
  fs.writeFileSync(path.join(folder, "page-job/x.txt"), "x\n");
  const ask = ["run", "--workspace", folder, "--on-ask", "deny", "/read page-job/x.txt"];
  const ran = await stage.ioi(...ask);
  return ran.code === 3 ? undefined : `the read ended with ${ran.code}, not denied`;
};

const explained: Step = async (page) => {
  await page.locator("main").focus();
  await tabTo(page, "Changes");
  for (let at = 0; at < 3; at++) await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await tabTo(page, /^denied.*page-job/);
  await page.keyboard.press("Enter");
  await page.getByRole("list", { name: /^Rules about fs::read/ }).waitFor();
  const text = await page.locator(".judged").textContent();
  return /fires.*deny page-job/.test(text ?? "") ? undefined : `it says "${text}"`;
};

const steps: readonly (readonly [string, string, Step])[] = [
  ["policy-error-said", "an error is said with its place while it is typed", errorSaid],
  ["policy-error-not-saved", "button and service both refuse a text with an error", errorNotSaved],
  ["policy-mended", "the list of problems leads to the line, where it is mended", mended],
  ["policy-proposed", "what it changes is shown before it waits to be signed", shownAndProposed],
  ["policy-weak-key", "a key of this browser does not save a policy", weakKeyRefused],
  ["policy-approved", "the terminal approves, and the next action goes by it", approvedAtTerminal],
  ["policy-explained", "a past action is explained, rule by rule", explained],
];

/** Plays on a page whose browser is paired with its own key. What follows a failed step is not tried. */
export const policyJob = async (
  stage: Stage,
  page: Page,
  pictures: string,
): Promise<readonly SuiteCase[]> => {
  const cases: SuiteCase[] = [];
  for (const [id, expected, step] of steps) {
    let actual: string | undefined;
    try {
      actual = await step(page, stage);
    } catch (error) {
      actual = error instanceof Error ? error.message : String(error);
    }
    const passed = actual === undefined;
    const control = id === "policy-error-not-saved" ? ({ control: "harmed" } as const) : {};
    const outcome = actual === undefined ? ({} as const) : { actual };
    cases.push({ id, expected, outcome: passed ? "passed" : "failed", ...outcome, ...control });
    if (passed) continue;
    await page.screenshot({ path: path.join(pictures, `failed-${id}.png`) });
    break;
  }
  return cases;
};

/** The browser has a passkey that is paired: it saves on the card, without the terminal. */
export const policyByPasskey = async (page: Page, stage: Stage): Promise<string | undefined> => {
  await goTo(page, "gp", "Policy");
  await page.waitForSelector(".cm-content");
  await tabTo(page, "Text of the policy");
  await page.keyboard.press("Control+End");
  await page.keyboard.insertText("\n# by passkey\n");
  await page.keyboard.press("Control+s");
  await page.getByRole("button", { name: "Save this text" }).waitFor();
  await tabTo(page, /^Save this text/);
  await page.keyboard.press("Enter");
  await page.getByText("A change waits to be signed").waitFor();
  const frame = await cardsFrame(page);
  await frame
    .getByRole("button", { name: /^Save/ })
    .and(frame.locator(':not([aria-disabled="true"])'))
    .waitFor();
  await page.locator("main").focus();
  await page.keyboard.press("c");
  await tabTo(page, /^(?:Change the policy|Save|Discard)/, frame);
  await page.keyboard.press("a");
  // The draft is the text in force now.
  await page.locator("#policy-why", { hasText: "Nothing is changed." }).waitFor();
  return fs.readFileSync(policyFile(stage), "utf8").endsWith("# by passkey\n")
    ? undefined
    : "the file does not hold the new text";
};
