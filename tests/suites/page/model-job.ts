/**
 * A task in plain words with a model: its scope is read back on a card, begun there, and what the
 * model says is shown as text. By keyboard, in a browser that is paired already.
 */
import path from "node:path";
import type { Page } from "playwright-core";
import { ModelServer } from "../../lib/model-servers/index.ts";
import { confirmModel } from "../../lib/models.ts";
import type { SuiteCase } from "../suite.ts";
import { cardsFrame, type Stage, tabTo } from "./stage.ts";

const words = "Summarise notes.txt and tell me what it says";

/** What the model ends with: Markdown, a link, and what must not become an element. */
const answer = [
  "## What it says",
  "",
  "It holds **one line** in `notes.txt`:",
  "",
  "- as it was",
  "",
  "More at [the guide](https://guide.example/notes).",
  "<img src=x onerror=window.hit=1>",
].join("\n");

const play = async (stage: Stage, page: Page, told: () => string): Promise<string | undefined> => {
  // Keys that are pressed in the cards' frame are the cards'.
  await page.locator("main").focus();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.waitForSelector(".goal:focus");
  await page.keyboard.type(words);
  await tabTo(page, "Folder");
  await page.keyboard.press("Control+a");
  await page.keyboard.type(stage.at("home-work"));
  await page.keyboard.press("Escape");
  await tabTo(page, "Attach files of this folder");
  await page.keyboard.press("Enter");
  await tabTo(page, "Name contains");
  await page.keyboard.type("notes");
  await tabTo(page, "notes.txt");
  await page.keyboard.press("Space");
  await page.getByText("1 file attached", { exact: true }).waitFor();
  await tabTo(page, "Add people");
  await page.keyboard.press("Enter");
  await tabTo(page, "Mail address, telephone or account");
  await page.keyboard.type("anna@example.com");
  await page.keyboard.press("Enter");
  await page.getByText("1 person added", { exact: true }).waitFor();
  await tabTo(page, "Go");
  await page.keyboard.press("Enter");
  await page.locator(".scope-lines", { hasText: "notes.txt" }).waitFor();
  await page.locator(".scope-lines", { hasText: "anna@example.com" }).waitFor();
  const frame = await cardsFrame(page);
  await frame
    .getByRole("button", { name: /^Start/ })
    .and(frame.locator(':not([aria-disabled="true"])'))
    .waitFor();
  await page.locator("main").focus();
  await page.keyboard.press("c");
  await tabTo(page, /^(?:May this task begin|No|Start)/, frame);
  await page.keyboard.press("a");
  await page.locator(".facts").getByText("Done", { exact: true }).waitFor();
  const said = page.locator(".said");
  await said.getByText("one line", { exact: true }).waitFor();
  const link = await said.locator("a").textContent();
  if (link !== "https://guide.example/notes") return `the link reads ${link}`;
  if ((await said.locator("img").count()) > 0) return "markup became an element";
  const text = (await said.textContent()) ?? "";
  if (!told().includes("from attachment")) return "the model was not told of the attached file";
  return text.includes("<img src=x") ? undefined : `it reads ${text}`;
};

/** The case, and the task's session for the looks; undefined where there is none. */
export const modelJob = async (
  stage: Stage,
  page: Page,
  pictures: string,
): Promise<{ readonly job: SuiteCase; readonly session: string | undefined }> => {
  await using server = await ModelServer.start({
    protocol: "openai",
    script: [
      { type: "reply", calls: [{ name: "fs_read", arguments: '{"path":"notes.txt"}' }] },
      { type: "reply", text: answer },
    ],
  });
  await confirmModel(stage.data, server, { id: "scripted", protocol: "openai" });
  const expected = "a task in plain words is begun on its scope card and answered as text";
  let actual: string | undefined;
  try {
    actual = await play(stage, page, () => JSON.stringify(server.asked[0]?.messages ?? []));
  } catch (error) {
    await page.screenshot({ path: path.join(pictures, "failed-job-model.png") });
    actual = error instanceof Error ? error.message : String(error);
  }
  const session = /#\/task\/(s-\w+)/.exec(page.url())?.[1];
  return actual === undefined
    ? { job: { id: "job-model", expected, outcome: "passed" }, session }
    : { job: { id: "job-model", expected, outcome: "failed", actual }, session };
};
