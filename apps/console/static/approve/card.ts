/**
 * One card on screen. It shows the very text whose hash is signed, and takes neither key nor click
 * for a moment after it appeared, so that what was meant for something else does not answer it.
 */
import { type Card, decide, Failure, type Signed } from "./api.ts";
import { type Bytes, contains, equal, inDomain, sha256, utf8 } from "./bytes.ts";
import { button, byId, element, enable, focusWithin, visible } from "./dom.ts";
import { sign, type StoredKey } from "./keys.ts";

/** How long a new card takes nothing, in milliseconds. */
const guardMs = 600;
const reasonCharsMax = 256;

type Answer = "once" | "alike" | "session" | "deny";

/** What is signed for an answer; empty where it is not offered. */
const statementFor = (card: Card, answer: Answer): Bytes => {
  switch (answer) {
    case "once":
      return card.once;
    case "alike":
      return card.forAlike;
    case "session":
      return card.forSession;
    case "deny":
      return card.deny;
  }
};

interface Kind {
  readonly title: (card: Card) => string;
  readonly announced: (card: Card) => string;
  readonly deny: string;
  readonly once: string;
  readonly domain: string;
  /** Nothing is signed to refuse, and nobody is told why. */
  readonly plainDenial: boolean;
  /** A key that any program of the person may use does not count. */
  readonly strong: boolean;
}

const approvalKind: Kind = {
  title: ({ target }) => visible(target),
  announced: ({ target }) => `${target} asks`,
  deny: "Deny",
  once: "Once",
  domain: "ioi/device/decision/v1",
  plainDenial: false,
  strong: false,
};

const kinds: Readonly<Record<string, Kind>> = {
  scope: {
    title: () => "May this task begin?",
    announced: () => "A task asks to begin",
    deny: "No",
    once: "Start",
    domain: "ioi/device/scope/v1",
    plainDenial: true,
    strong: false,
  },
  policy: {
    title: () => "Change the policy?",
    announced: () => "A change of the policy waits",
    deny: "Discard",
    once: "Save",
    domain: "ioi/device/policy/v1",
    plainDenial: true,
    strong: true,
  },
};

const kindOf = (card: Card | undefined): Kind => kinds[card?.kind ?? ""] ?? approvalKind;

export interface CardViewOptions {
  readonly key: () => StoredKey | undefined;
  readonly paired: () => boolean;
  readonly say: (text: string, tone?: "bad") => void;
  readonly announce: (text: string) => void;
  readonly onAnswered: () => void;
  /** What a command at the terminal needs to find this data folder. */
  readonly dataOption: () => string;
}

const nothing: Bytes = new Uint8Array(0);
const unsigned: Signed = { statement: nothing, signature: nothing, device: nothing };

const minutesLeft = (expiresMs: number): string => {
  const minutes = Math.max(0, Math.ceil((expiresMs - Date.now()) / 60_000));
  return minutes > 60 ? "" : `answer within ${minutes} min`;
};

/** What the action would change: each line with its sign, so that no colour has to carry it. */
const changeOf = (card: Card): readonly HTMLElement[] => {
  if (card.previewState === "" || card.previewState === "none") return [];
  const title = element("h3", { id: "change-title" }, "What changes");
  if (card.previewState !== "there") {
    return [title, element("p", { class: "muted", id: "change" }, visible(card.preview))];
  }
  const shown = element("pre", {
    class: "text change",
    id: "change",
    tabindex: "0",
    role: "group",
    "aria-labelledby": "change-title",
  });
  const kinds: Readonly<Record<string, string>> = { "+": "came", "-": "went", "@": "place" };
  for (const [index, each] of card.preview.replace(/\n$/, "").split("\n").entries()) {
    const kind = index === 0 ? "sum" : (kinds[each[0] ?? ""] ?? "stays");
    shown.append(element("span", { class: kind }, each), "\n");
  }
  return [title, shown];
};

export class CardView {
  readonly #options: CardViewOptions;
  readonly #place: HTMLElement = byId("card");
  #card: Card | undefined;
  #buttons: readonly HTMLElement[] = [];
  #reason: HTMLInputElement | undefined;
  #reasons: HTMLElement | undefined;
  #weak: HTMLElement | undefined;
  #takesFrom = Number.POSITIVE_INFINITY;
  #answering = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: CardViewOptions) {
    this.#options = options;
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  get shown(): string | undefined {
    return this.#card && `${this.#card.kind} ${this.#card.id}`;
  }

  /** Draws the card, or nothing; the one that stands is left alone. */
  show(card: Card | undefined): void {
    const name = card && `${card.kind} ${card.id}`;
    if (name === this.shown && this.#sameText(card)) {
      this.#allow();
      return;
    }
    const hadFocus = this.#place.contains(document.activeElement);
    this.#card = card;
    this.#place.replaceChildren();
    this.#place.hidden = card === undefined;
    clearTimeout(this.#timer);
    if (card === undefined) {
      this.#buttons = [];
      if (hadFocus) focusWithin(byId("page"));
      return;
    }
    this.#draw(card);
    // Focus goes to the card as a whole, never to a button that approves.
    if (hadFocus || document.activeElement === document.body) focusWithin(byId("card-title"));
    this.#takesFrom = performance.now() + guardMs;
    this.#timer = setTimeout(() => this.#allow(), guardMs);
    this.#allow();
    const first = card.text.split("\n")[0] ?? "";
    this.#options.announce(`${kindOf(card).announced(card)}. ${first}`);
  }

  #sameText(card: Card | undefined): boolean {
    const shown = this.#card;
    return (
      card === undefined ||
      (card.text === shown?.text &&
        card.previewState === shown.previewState &&
        card.preview === shown.preview)
    );
  }

  #draw(card: Card): void {
    const kind = kindOf(card);
    const title = element("h2", { id: "card-title", tabindex: "-1" });
    title.textContent = kind.title(card);
    const many = card.group.length > 1 ? `${card.group.length} alike · ` : "";
    const left = minutesLeft(card.expiresMs);
    const aside = `${many}${visible(card.id)}${left === "" ? "" : ` · ${left}`}`;
    const text = element("pre", {
      class: "text",
      tabindex: "0",
      role: "group",
      "aria-label": "What exactly",
    });
    text.textContent = card.text;
    this.#reasons = element(
      "ul",
      { class: "reasons", id: "reasons" },
      ...card.reasons.map((each) => element("li", {}, visible(each))),
    );
    this.#reasons.hidden = true;
    this.#reason = element("input", {
      type: "text",
      maxlength: String(reasonCharsMax),
      autocomplete: "off",
      spellcheck: "false",
    });
    const reason = element("label", {}, "Why not (the agent is told)", this.#reason);
    this.#place.append(
      element("div", { class: "row" }, title, element("span", { class: "muted" }, aside)),
      text,
      ...changeOf(card),
      this.#reasons,
      ...(kind.plainDenial ? [] : [reason]),
      ...(kind.strong ? [this.#atTheTerminal(card)] : []),
      this.#actions(card, kind),
    );
  }

  /** The browser's own key does not count for this card. */
  #isTooWeak(): boolean {
    return kindOf(this.#card).strong && this.#options.key()?.kind !== "webauthn";
  }

  #atTheTerminal({ id }: Card): HTMLElement {
    const command = `./ioi approve ${visible(id)}${this.#options.dataOption()}`;
    this.#weak = element(
      "p",
      { class: "muted" },
      "A key of this browser does not count for the policy; a passkey or security key does. At the terminal: ",
      element("code", {}, command),
    );
    return this.#weak;
  }

  #actions(card: Card, kind: Kind): HTMLElement {
    const deny = button(kind.deny, "d", "plain", () => this.#answer("deny"));
    const once = button(kind.once, "a", "main", () => this.#answer("once"));
    const buttons = [deny, once];
    if (card.forAlike.length > 0) {
      buttons.push(button("Alike", "l", "plain", () => this.#answer("alike")));
    }
    if (card.forSession.length > 0) {
      buttons.push(button("This session", "s", "plain", () => this.#answer("session")));
    }
    this.#buttons = buttons;
    const row = element("div", { class: "actions" }, ...buttons);
    if (card.reasons.length > 0) {
      const explain = button("Why it asks", "e", "plain", () => this.#explain());
      explain.id = "explain";
      explain.setAttribute("aria-expanded", "false");
      explain.setAttribute("aria-controls", "reasons");
      row.append(explain);
    }
    return row;
  }

  #explain(): void {
    if (this.#reasons === undefined) return;
    this.#reasons.hidden = !this.#reasons.hidden;
    byId("explain").setAttribute("aria-expanded", String(!this.#reasons.hidden));
  }

  #takes(): boolean {
    return !this.#answering && performance.now() >= this.#takesFrom;
  }

  #allow(): void {
    if (this.#weak !== undefined) this.#weak.hidden = !this.#isTooWeak();
    for (const [index, each] of this.#buttons.entries()) {
      const needsKey = this.#needsKey(index === 0 ? "deny" : "once");
      enable(each, this.#takes() && (!needsKey || this.#counts()));
    }
  }

  #needsKey(answer: Answer): boolean {
    return answer !== "deny" || !kindOf(this.#card).plainDenial;
  }

  #counts(): boolean {
    return this.#options.paired() && !this.#isTooWeak();
  }

  #onKey(event: KeyboardEvent): void {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat;
    if (!plain || event.target instanceof HTMLInputElement || this.#card === undefined) return;
    const key = event.key.toLowerCase();
    if (key === "e") this.#explain();
    else if (key === "d") this.#answer("deny");
    else if (key === "a") this.#answer("once");
    else if (key === "l") this.#answer("alike");
    else if (key === "s") this.#answer("session");
    else return;
    event.preventDefault();
  }

  #answer(answer: Answer): void {
    const card = this.#card;
    const needsKey = this.#needsKey(answer);
    if (card === undefined || !this.#takes() || (needsKey && !this.#counts())) return;
    if (statementFor(card, answer).length === 0 && needsKey) return;
    this.#answering = true;
    this.#allow();
    const { say, onAnswered } = this.#options;
    say(answer === "deny" ? "Refusing…" : "Signing…");
    this.#send(card, answer, needsKey)
      .then(
        () => say(answer === "deny" ? "Refused." : "Approved."),
        (error: unknown) => {
          const why = error instanceof Failure ? error.message : "It was not signed.";
          say(why, "bad");
        },
      )
      .finally(() => {
        this.#answering = false;
        this.#allow();
        onAnswered();
      });
  }

  async #send(card: Card, answer: Answer, needsKey: boolean): Promise<void> {
    const reason = answer === "deny" ? (this.#reason?.value ?? "") : "";
    if (!needsKey) {
      await decide(card, unsigned, reason);
      return;
    }
    const key = this.#options.key();
    if (key === undefined) throw new Failure("This browser has no key.", false);
    const statement = statementFor(card, answer);
    // What is signed names the text that stands here, letter by letter.
    const shown = await sha256(inDomain("ioi/device/card/v1", utf8(card.text)));
    if (!equal(shown, card.textHash) || !contains(statement, shown)) {
      throw new Failure("The card is not the one that would be signed. Nothing was.", false);
    }
    await decide(card, await sign(key, kindOf(card).domain, statement), reason);
  }
}
