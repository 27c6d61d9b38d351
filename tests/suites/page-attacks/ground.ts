/** The kernel under attack, and the asks that somebody would like to answer. */
import { setTimeout as sleep } from "node:timers/promises";
import fs from "node:fs";
import path from "node:path";
import { Scratch, TestKernel } from "../../lib/kernel.ts";
import { type Json, PageClient } from "../../lib/page-client.ts";

const patienceMs = 20_000;

export interface AskedCard {
  readonly id: string;
  readonly session: string;
  readonly text: string;
  readonly once: string;
  readonly forSession: string;
  readonly deny: string;
}

const cardOf = (card: Json): AskedCard => ({
  id: String(card["id"]),
  session: String(card["session"]),
  text: String(card["text"]),
  once: String(card["statementOnce"]),
  forSession: String(card["statementSession"]),
  deny: String(card["statementDeny"]),
});

export class Ground implements AsyncDisposable {
  readonly scratch: Scratch;
  readonly kernel: TestKernel;
  readonly page: PageClient;

  private constructor(scratch: Scratch, kernel: TestKernel, page: PageClient) {
    this.scratch = scratch;
    this.kernel = kernel;
    this.page = page;
  }

  /** `pages`: where the built page lies; empty serves none. */
  static async open(pages: string): Promise<Ground> {
    const scratch = new Scratch();
    const data = scratch.at("data");
    const kernel = await TestKernel.start({ data, pages });
    const page = await within("the console answers", () => PageClient.open(data));
    return new Ground(scratch, kernel, page);
  }

  get data(): string {
    return this.scratch.at("data");
  }

  /** A folder with an `.env`, whose reading asks, and whatever else is given. */
  workspace(name: string, files: Readonly<Record<string, string>> = {}): string {
    const folder = this.scratch.folder(name);
    for (const [file, text] of Object.entries({ ".env": "KEY=1\n", ...files })) {
      fs.writeFileSync(path.join(folder, file), text);
    }
    return folder;
  }

  /** Begins a direct request; returns its session. */
  async begin(text: string, workspace: string): Promise<string> {
    const picks = [{ kind: "folder", value: workspace, access: "write" }];
    const planned = await this.page.call("Plan", { text, picks });
    const session = String(planned.json["session"]);
    const begun = await this.page.call("Begin", { session });
    if (begun.status !== 200) throw new Error(`not begun: ${JSON.stringify(begun.json)}`);
    return session;
  }

  async waiting(): Promise<readonly AskedCard[]> {
    const { json } = await this.page.cards("ListCards", {});
    const cards = json["cards"];
    return Array.isArray(cards) ? (cards as readonly Json[]).map(cardOf) : [];
  }

  /** A card that waits, of a session of its own. */
  async ask(text = "/read .env", workspace = this.workspace("asked")): Promise<AskedCard> {
    const session = await this.begin(text, workspace);
    return await within("a card", async () => {
      const card = (await this.waiting()).find((each) => each.session === session);
      if (card === undefined) throw new Error("no card of the session waits");
      return card;
    });
  }

  async state(session: string): Promise<string> {
    const { json } = await this.page.call("GetSession", { session });
    return String(json["state"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kernel[Symbol.asyncDispose]();
    this.scratch[Symbol.dispose]();
  }
}

/** Tries until it does not throw; a kernel under load answers later, not differently. */
export const within = async <T>(what: string, look: () => Promise<T>): Promise<T> => {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > until) throw new Error(`${what} did not come`, { cause: error });
      await sleep(30);
    }
  }
};
