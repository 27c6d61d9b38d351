/**
 * A passkey answers a card: a browser with an authenticator (the one that Chromium plays) is paired on
 * the screen of devices, and its assertion is what the Guardian takes for the person's yes. Control:
 * the same answer with one bit of the signature turned is refused.
 */
import fs from "node:fs";
import type { Page } from "playwright-core";
import type { SuiteCase } from "../suite.ts";
import { policyByPasskey } from "./policy-job.ts";
import { cardsFrame, type Stage, tabTo } from "./stage.ts";

const authenticator = {
  protocol: "ctap2",
  transport: "internal",
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
} as const;

const pair = async (stage: Stage, page: Page): Promise<void> => {
  const frame = await cardsFrame(page);
  await page.locator("main").focus();
  await page.keyboard.press("c");
  await tabTo(page, "Use a passkey", frame);
  await page.keyboard.press("Enter");
  const code = (await frame.locator(".code").textContent()) ?? "";
  const paired = await stage.ioi("devices", "pair", code.trim());
  if (paired.code !== 0) throw new Error(`pairing ended with ${paired.code}: ${paired.stderr}`);
  await frame.getByText("This browser may answer", { exact: true }).waitFor();
};

/** Turns one bit of the signature in the next answer, as somebody between would. */
const spoil = async (page: Page): Promise<void> => {
  await page.route(
    "**/ioi.console.v1.Cards/Decide",
    async (route) => {
      const body = route.request().postDataJSON() as { readonly signature: string };
      const signature = Buffer.from(body.signature, "base64");
      const last = signature.length - 1;
      signature[last] = (signature[last] ?? 0) ^ 1;
      const spoilt = JSON.stringify({ ...body, signature: signature.toString("base64") });
      await route.continue({ postData: spoilt });
    },
    { times: 1 },
  );
};

const play = async (stage: Stage, page: Page): Promise<string | undefined> => {
  const folder = stage.at("passkey");
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(`${folder}/.settings`, "key = 2\n");
  const args = ["run", "--workspace", folder, "--json", "--on-ask", "pend", "/read .settings"];
  const { json } = await stage.ioi(...args);
  const { session } = json as { readonly session: string };
  await page.evaluate((to) => {
    location.hash = to;
  }, `/task/${session}`);
  await pair(stage, page);
  const frame = await cardsFrame(page);
  const once = frame.getByRole("button", { name: /^Once/ });
  const ready = once.and(frame.locator(':not([aria-disabled="true"])'));
  await ready.waitFor();
  await page.locator("main").focus();
  await page.keyboard.press("c");
  await tabTo(page, /^(?:Once|Deny|This session|Why it asks)/, frame);
  await spoil(page);
  await page.keyboard.press("a");
  await frame.locator('#state[data-tone="bad"]').waitFor();
  const before = await page.locator(".facts").textContent();
  if (!/Waits for you/.test(before ?? "")) return "a spoilt assertion counted";
  await ready.waitFor();
  await page.keyboard.press("a");
  await page.locator(".facts").getByText("Done", { exact: true }).waitFor();
  return undefined;
};

const caseOf = (id: string, expected: string, actual: string | undefined): SuiteCase =>
  actual === undefined
    ? { id, expected, outcome: "passed" }
    : { id, expected, outcome: "failed", actual };

/** The case of the card, and that of the policy that a passkey saves. */
export const passkeyJob = async (stage: Stage): Promise<readonly SuiteCase[]> => {
  const expected = "a passkey's assertion is the person's answer, a spoilt one is none";
  const page = await stage.newPage();
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  await cdp.send("WebAuthn.addVirtualAuthenticator", { options: authenticator });
  const tried = async (run: () => Promise<string | undefined>): Promise<string | undefined> => {
    try {
      return await run();
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const actual = await tried(() => play(stage, page));
  const saved = await tried(() => policyByPasskey(page, stage));
  await page.context().close();
  // The refusal of the spoilt answer is what was wanted.
  const wanted = stage.problems.findIndex((each) => each.includes("/ioi.console.v1.Cards/Decide"));
  if (wanted >= 0) stage.problems.splice(wanted, 1);
  const policy = "a passkey saves a policy on its card, without the terminal";
  return [caseOf("job-passkey", expected, actual), caseOf("policy-passkey", policy, saved)];
};
