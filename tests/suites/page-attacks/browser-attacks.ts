/** What a foreign page, an agent's text, or a hasty key does in a real browser. */
import type { Frame, Page } from "playwright-core";
import type { Attack, Tried } from "./attack.ts";
import type { BrowserGround, SignedIn } from "./browser.ts";

type Row = Attack<BrowserGround>;

const hostile = `<img src=x onerror="window.hit=1"><script>window.hit=1</script>`;

const isHit = async (where: Page | Frame): Promise<boolean> =>
  await where.evaluate<boolean>(
    `"hit" in window || document.querySelector("main img[src=x], main script") !== null`,
  );

/** The text does harm where it is read as markup and nothing forbids it. */
const harms = async (ground: BrowserGround): Promise<boolean> => {
  const page = await (await ground.context()).newPage();
  await page.setContent(`<main>${hostile}</main>`);
  return await isHit(page);
};

/** Tries every way in turn; one that is refused throws, and the next is tried. */
const inline = `(() => {
  try {
    const script = document.createElement("script");
    script.textContent = "window.ran = 1";
    document.head.append(script);
  } catch {}
  try {
    document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = 1'>");
  } catch {}
  try {
    const frame = document.createElement("iframe");
    frame.srcdoc = "<script>parent.ran = 1</scr" + "ipt>";
    document.body.append(frame);
  } catch {}
  try { setTimeout("window.ran = 1"); } catch {}
  try { location.href = "javascript:window.ran = 1"; } catch {}
})()`;

/** Whether any of these ways to run a text as a script worked, in the page's own world. */
const runsInline = async (where: Page | Frame): Promise<boolean> => {
  await where.evaluate(inline);
  await where.evaluate(`new Promise((resolve) => setTimeout(resolve, 100))`);
  return await where.evaluate<boolean>(`"ran" in window`);
};

const fetchFrom = (where: Page | Frame, url: string, init: string): Promise<string> =>
  where.evaluate<string>(
    `fetch(${JSON.stringify(url)}, ${init}).then(
      async (reply) => reply.type + " " + reply.status + " " + (await reply.text()).slice(0, 60),
      () => "refused")`,
  );

const call = `{ method: "POST", body: "{}", credentials: "include",
  headers: { "content-type": "application/json", "connect-protocol-version": "1" } }`;
const simple = `{ method: "POST", body: "{}", credentials: "include", mode: "no-cors" }`;

const texts: readonly Row[] = [
  {
    id: "script-in-every-text",
    run: async (ground) => {
      const name = `${hostile.replaceAll("/", "")}.txt`;
      const workspace = ground.ground.workspace("hostile", { [name]: hostile });
      const sessions = [
        await ground.ground.begin(`/read "${name.replaceAll('"', '\\"')}"`, workspace),
        await ground.ground.begin("/list .", workspace),
        await ground.ground.begin(hostile, workspace).catch(() => ""),
      ];
      const page = await ground.signIn();
      const hits: string[] = [];
      const screens = ["/", "/receipts", "/connect", "/policy", "/doctor"];
      const tasks = sessions.filter((each) => each !== "").map((each) => `/task/${each}`);
      for (const screen of [...screens, ...tasks]) {
        await page.goto(`${ground.ground.page.origin("app")}/#${screen}`);
        await page.waitForSelector("h1");
        if (await isHit(page)) hits.push(screen);
      }
      return {
        expected: "text on every screen, and nothing that runs",
        refused: hits.length === 0,
        actual: hits.join(" ") || "nothing ran",
        control: await harms(ground),
      };
    },
  },
  {
    id: "script-in-a-card",
    run: async (ground) => {
      const workspace = ground.ground.workspace("card");
      const card = await ground.ground.ask(`/write .env '${hostile}'`, workspace);
      const signedIn = await ground.withCards();
      await ground.shows(signedIn, card.id);
      const shown =
        (await signedIn.frame.locator("#card pre.text:not(.change)").textContent()) ?? "";
      const hit = await isHit(signedIn.frame);
      await ground.ground.page.call("Stop", { session: card.session });
      return {
        expected: "the very text of the card, and nothing that runs",
        refused: shown === card.text && !hit,
        actual: hit ? "it ran" : shown.slice(0, 200),
        control: await harms(ground),
      };
    },
  },
  {
    id: "script-in-a-policy",
    run: async (ground) => {
      const { json } = await ground.ground.page.call("GetPolicy", {});
      const text = `${String(json["text"])}\n# ${hostile}\n`;
      const key = JSON.stringify(hostile);
      const page = await ground.signIn();
      await page.goto(`${ground.ground.page.origin("app")}/#/policy`);
      const editor = page.locator(".cm-content");
      await editor.press("Control+End");
      await page.keyboard.insertText(`\n# ${hostile}\n[[rule]]\n${key} = 1\nid = ${key}\n`);
      const problems = page.getByRole("list", { name: "Problems" });
      await problems.getByText("onerror=").first().waitFor();
      const shown = (await page.locator("main").textContent()) ?? "";
      const onPage = await isHit(page);
      // The same on the card of a change.
      const baseHash = json["textHash"];
      const made = await ground.ground.page.call("ProposePolicy", { text, baseHash });
      const { id } = made.json["change"] as { readonly id: string };
      const signedIn = await ground.withCards();
      await ground.shows(signedIn, id);
      const onCard = await isHit(signedIn.frame);
      const card =
        (await signedIn.frame.locator("#card pre.text:not(.change)").textContent()) ?? "";
      await ground.ground.page.call("WithdrawPolicy", { id });
      return {
        expected: "text in the editor, in its problems and on the card, and nothing that runs",
        refused: !onPage && !onCard && shown.includes("onerror=") && card.includes(hostile),
        actual: `ran on the page ${onPage}, on the card ${onCard}; shown ${shown.includes("onerror=")}, ${card.includes(hostile)}: ${card.slice(0, 300)}`,
        control: await harms(ground),
      };
    },
  },
  {
    id: "script-in-place",
    run: async (ground) => {
      const { page, frame } = await ground.withCards();
      const ran = [await runsInline(page), await runsInline(frame)];
      const plain = await (await ground.context()).newPage();
      await plain.goto(ground.foreign.origin);
      return {
        expected: "neither page runs a script that stands in it",
        refused: !ran.includes(true),
        actual: ran.join(" "),
        control: await runsInline(plain),
      };
    },
  },
];

/** The frames of a foreign page that shows `urls`: what stands in each. */
const framed = async (
  ground: BrowserGround,
  signedIn: SignedIn,
  urls: readonly string[],
): Promise<readonly string[]> => {
  ground.foreign.html = urls.map((url) => `<iframe src="${url}"></iframe>`).join("");
  const page = await signedIn.page.context().newPage();
  await page.goto(ground.foreign.origin);
  await page.waitForLoadState("networkidle");
  const frames = page.frames().filter((each) => each !== page.mainFrame());
  // A frame that was refused holds the browser's own page of errors.
  return await Promise.all(
    frames.map(async (frame) =>
      frame.url().startsWith("chrome-error:")
        ? ""
        : (await frame.locator("h1").allInnerTexts()).join(" "),
    ),
  );
};

const foreignPages: readonly Row[] = [
  {
    id: "framed-by-a-foreign-page",
    run: async (ground) => {
      const signedIn = await ground.withCards();
      const { page } = ground.ground;
      const ours = (["app", "frame", "approve"] as const).map((place) => `${page.origin(place)}/`);
      const seen = await framed(ground, signedIn, [
        ...ours,
        `${page.origin("frame")}/open`,
        `${ground.foreign.origin}/own`,
      ]);
      const own = seen.at(-1) ?? "";
      return {
        expected: "nothing of ours in a foreign frame",
        refused: seen.slice(0, -1).every((text) => text === ""),
        actual: JSON.stringify(seen),
        control: own === "foreign",
      };
    },
  },
  {
    id: "approval-tab-framed-by-the-page",
    run: async (ground) => {
      const { page } = await ground.withCards();
      const approve = ground.ground.page.origin("approve");
      await page.evaluate(`(() => {
        const frame = document.createElement("iframe");
        frame.src = ${JSON.stringify(`${approve}/open`)};
        document.body.append(frame);
      })()`);
      await page.waitForLoadState("networkidle");
      const inside = page.frames().some((frame) => frame.url().startsWith(approve));
      return { expected: "no such frame", refused: !inside, actual: String(inside) };
    },
  },
  {
    id: "asked-by-a-foreign-page",
    run: async (ground) => {
      const { page } = await ground.withCards();
      const foreign = await page.context().newPage();
      await foreign.goto(`${ground.foreign.origin}/other`);
      const url = `${ground.ground.page.origin("app")}/ioi.console.v1.Console/Overview`;
      const answers = [
        await fetchFrom(foreign, url, call),
        await fetchFrom(foreign, url, simple),
        await fetchFrom(
          foreign,
          `${ground.ground.page.origin("app")}/events`,
          `{ mode: "no-cors", credentials: "include" }`,
        ),
      ];
      const own = await fetchFrom(page, url, call);
      return {
        expected: "nothing that the foreign page can read",
        refused: answers.every((text) => text === "refused" || text === "opaque 0 "),
        actual: JSON.stringify(answers),
        control: own.startsWith("basic 200"),
      };
    },
  },
  {
    id: "form-of-a-foreign-page",
    run: async (ground) => {
      const workspace = ground.ground.workspace("form");
      const card = await ground.ground.ask("/read .env", workspace);
      const { page } = await ground.withCards();
      const foreign = await page.context().newPage();
      const target = `${ground.ground.page.origin("app")}/ioi.console.v1.Console/Stop`;
      // A form whose one field makes a body that reads as JSON.
      ground.foreign.html = `<form method="post" enctype="text/plain" action="${target}">
        <input name='{"session":"${card.session}","x":"' value='"}'></form>
        <script>document.forms[0].submit()</script>`;
      await foreign.goto(ground.foreign.origin);
      await foreign.waitForLoadState("networkidle");
      const stays = await ground.stillWaits(card.id);
      await ground.ground.page.call("Stop", { session: card.session });
      return {
        expected: "the session goes on",
        refused: stays,
        actual: stays ? "it waits on" : "it was stopped",
        control: !(await ground.stillWaits(card.id)),
      };
    },
  },
  {
    id: "page-reads-the-cards",
    run: async (ground) => {
      const { page, frame } = await ground.withCards();
      const origin = ground.ground.page.origin("frame");
      const reads = await page.evaluate<string>(
        `(() => { try { return String(document.querySelector("#cards").contentDocument?.body?.innerText); }
          catch (error) { return "refused"; } })()`,
      );
      const asks = await fetchFrom(page, `${origin}/ioi.console.v1.Cards/ListCards`, call);
      const cookies = [
        await page.evaluate<string>("document.cookie"),
        await frame.evaluate<string>("document.cookie"),
      ];
      const own = await fetchFrom(frame, `${origin}/ioi.console.v1.Cards/ListCards`, call);
      return {
        expected: "neither text, nor answer, nor cookie",
        refused:
          ["undefined", "refused"].includes(reads) && asks === "refused" && cookies.join("") === "",
        actual: JSON.stringify([reads, asks, cookies]),
        control: own.startsWith("basic 200"),
      };
    },
  },
];

const cardRows: readonly Row[] = [
  {
    id: "key-pressed-too-soon",
    run: async (ground) => {
      const signedIn = await ground.withCards();
      const { page, frame } = signedIn;
      const device = await ground.pair(signedIn);
      // Time stands still from here on: the card is new for as long as we like.
      await page.clock.install();
      await page.clock.pauseAt(new Date(Date.now() + 60_000));
      const card = await ground.ground.ask();
      const look = async (): Promise<void> => {
        await page.clock.runFor(50);
        await frame.locator("#card .row", { hasText: card.id }).waitFor({ timeout: 200 });
      };
      for (let tries = 0; tries < 40; tries++)
        if (
          await look().then(
            () => true,
            () => false,
          )
        )
          break;
      await ground.shows(signedIn, card.id);
      const focused = await frame.evaluate<string>("document.activeElement?.tagName ?? ''");
      await frame.locator("#card-title").focus();
      for (const key of ["a", "s", "d", "Enter", " "]) await page.keyboard.press(key);
      await frame.getByRole("button", { name: /^Once/ }).click({ force: true });
      const stays = await ground.stillWaits(card.id);
      await page.clock.runFor(700);
      await page.keyboard.press("a");
      await ground.answered(card.id);
      await ground.revoke(device);
      return {
        expected: "a new card takes nothing, and no button has the focus; later it does",
        refused: stays && focused !== "BUTTON",
        actual: `waits ${stays}; the focus is on ${focused}`,
        control: true,
      };
    },
  },
  {
    id: "answered-without-a-paired-key",
    run: async (ground) => {
      const card = await ground.ground.ask();
      const signedIn = await ground.withCards();
      await ground.shows(signedIn, card.id);
      await signedIn.page.waitForTimeout(700);
      await signedIn.frame.locator("#card-title").focus();
      for (const key of ["a", "s", "d"]) await signedIn.page.keyboard.press(key);
      const stays = await ground.stillWaits(card.id);
      const device = await ground.pair(signedIn);
      await signedIn.frame.locator("#card-title").focus();
      await signedIn.page.keyboard.press("d");
      await ground.answered(card.id);
      await ground.revoke(device);
      return {
        expected: "it waits on until the browser's key is paired",
        refused: stays,
        actual: `waits ${stays}`,
        control: true,
      };
    },
  },
  {
    id: "two-tabs",
    run: async (ground) => {
      const context = await ground.context();
      const first = await ground.withCards(context);
      const device = await ground.pair(first);
      const second = await ground.withCards(context);
      const card = await ground.ground.ask();
      await ground.shows(first, card.id);
      await ground.shows(second, card.id);
      await second.frame.getByText("This browser may answer", { exact: true }).waitFor();
      await first.page.waitForTimeout(700);
      await first.frame.getByRole("button", { name: /^Once/ }).click();
      await ground.answered(card.id);
      // The other tab learns of it by itself and keeps no card that can be answered.
      await second.frame.getByText("Nothing to decide").waitFor();
      const left = await second.frame.locator("#card").isVisible();
      await ground.revoke(device);
      return { expected: "no card is left", refused: !left, actual: `a card is left: ${left}` };
    },
  },
];

/** An authenticator of the browser's own, by the DevTools protocol. */
const withAuthenticator = async ({ page }: SignedIn): Promise<void> => {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
};

const passkeys: readonly Row[] = [
  {
    id: "passkey-of-another-page",
    run: async (ground): Promise<Tried> => {
      const signedIn = await ground.withCards();
      await withAuthenticator(signedIn);
      const device = await ground.pair(signedIn, /passkey/);
      // The page around asks the same authenticator for the approval page's key.
      const stolen = await signedIn.page.evaluate<string>(
        `navigator.credentials.get({ publicKey: {
          challenge: new Uint8Array(32), rpId: "approve.app.localhost", timeout: 2000,
        } }).then(() => "signed", (error) => error.name)`,
      );
      const card = await ground.ground.ask();
      await ground.shows(signedIn, card.id);
      await signedIn.page.waitForTimeout(700);
      await signedIn.frame.getByRole("button", { name: /^Once/ }).click();
      await ground.answered(card.id);
      await ground.revoke(device);
      return {
        expected: "SecurityError; on its own page the passkey answers",
        refused: stolen === "SecurityError",
        actual: stolen,
        control: true,
      };
    },
  },
];

export const browserAttacks: readonly Row[] = [
  ...texts,
  ...foreignPages,
  ...cardRows,
  ...passkeys,
].map((row) => ({
  id: row.id,
  run: async (ground) => {
    try {
      return await row.run(ground);
    } finally {
      await ground.sweep();
    }
  },
}));
