/** Attacks that need a browser: what it would run, frame, send, show or press. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, BrowserContext, Frame, Page } from "playwright-core";
import { buildPage, pagesFolder, startChromium } from "../../lib/chromium.ts";
import { pairAtTerminal, revokeAtTerminal } from "../../lib/device-keys.ts";
import { makeLink } from "../../lib/page-client.ts";
import { Ground, within } from "./ground.ts";

const patienceMs = 15_000;

/** A server of somebody else, on another port of this machine. */
class ForeignSite implements AsyncDisposable {
  readonly #server: http.Server;
  /** Served at `/`. */
  html = "";
  /** What was sent to it. */
  readonly heard: string[] = [];

  private constructor() {
    this.#server = http.createServer((request, response) => {
      this.heard.push(`${request.method} ${request.url} ${request.headers.cookie ?? ""}`);
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
      response.end(request.url === "/" ? this.html : "<h1>foreign</h1>");
    });
  }

  static async open(): Promise<ForeignSite> {
    const site = new ForeignSite();
    site.#server.listen(0, "127.0.0.1");
    await new Promise((resolve) => site.#server.once("listening", resolve));
    return site;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface SignedIn {
  readonly page: Page;
  /** The approval page, in the page's frame. */
  readonly frame: Frame;
}

export class BrowserGround implements AsyncDisposable {
  readonly ground: Ground;
  readonly browser: Browser;
  readonly foreign: ForeignSite;
  readonly #contexts: BrowserContext[] = [];

  private constructor(ground: Ground, browser: Browser, foreign: ForeignSite) {
    this.ground = ground;
    this.browser = browser;
    this.foreign = foreign;
  }

  static async open(chromium: string): Promise<BrowserGround> {
    await buildPage();
    const [ground, browser, foreign] = await Promise.all([
      Ground.open(pagesFolder),
      startChromium(chromium),
      ForeignSite.open(),
    ]);
    return new BrowserGround(ground, browser, foreign);
  }

  async context(): Promise<BrowserContext> {
    const context = await this.browser.newContext({ viewport: { width: 1000, height: 900 } });
    context.setDefaultTimeout(patienceMs);
    this.#contexts.push(context);
    return context;
  }

  /** Opens the page by a link; where it stands alone, what it drew is put away. */
  async signIn(context?: BrowserContext): Promise<Page> {
    const page = await (context ?? (await this.context())).newPage();
    await page.goto((await makeLink(this.ground.data)).href);
    await page.waitForURL(/localhost:\d+\/(?:#.*)?$/);
    return page;
  }

  /** The page with nothing on it but the approval page's frame. */
  async withCards(context?: BrowserContext): Promise<SignedIn> {
    const page = await this.signIn(context);
    await page.evaluate(`(async () => {
      const reply = await fetch("/ioi.console.v1.Console/ApproveLink", {
        method: "POST", body: "{}",
        headers: { "content-type": "application/json", "connect-protocol-version": "1" },
      });
      const { url } = await reply.json();
      const frame = document.createElement("iframe");
      frame.id = "cards";
      frame.allow = "publickey-credentials-get; publickey-credentials-create";
      frame.style = "";
      frame.width = "900";
      frame.height = "700";
      frame.src = url;
      document.body.replaceChildren(frame);
    })()`);
    const element = await page.waitForSelector("#cards");
    const frame = await element.contentFrame();
    if (frame === null) throw new Error("the frame has no content");
    await frame.waitForSelector("#key h2");
    return { page, frame };
  }

  /** This browser's key, offered on its approval page and paired at the terminal. */
  async pair({ frame }: SignedIn, words = /key of this browser/): Promise<Uint8Array> {
    await frame.getByRole("button", { name: words }).click();
    const code = (await frame.locator(".code").innerText()).trim();
    const { json } = await this.ground.page.call("ListDevices", {});
    const devices = json["devices"] as readonly { readonly id: string; readonly waits: boolean }[];
    const device = Buffer.from(devices.find(({ waits }) => waits)?.id ?? "", "hex");
    await pairAtTerminal(this.ground.data, device, code);
    await frame.getByText("This browser may answer", { exact: true }).waitFor();
    return device;
  }

  async revoke(device: Uint8Array): Promise<void> {
    await revokeAtTerminal(this.ground.data, device);
  }

  /** The approval page shows the card. */
  async shows({ frame }: SignedIn, id: string): Promise<void> {
    await frame.locator("#card .row", { hasText: id }).waitFor();
  }

  /** The card is answered: nobody waits for it any more. */
  async answered(id: string): Promise<void> {
    await within("an answer", async () => {
      if ((await this.ground.waiting()).some((card) => card.id === id)) throw new Error("waits");
    });
  }

  async stillWaits(id: string): Promise<boolean> {
    return (await this.ground.waiting()).some((card) => card.id === id);
  }

  /** Ends what a case opened and began. */
  async sweep(): Promise<void> {
    await this.ground.page.call("Stop", { session: "" });
    for (const context of this.#contexts.splice(0)) await context.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.foreign[Symbol.asyncDispose]();
    await this.ground[Symbol.asyncDispose]();
  }
}
