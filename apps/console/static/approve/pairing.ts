/** This browser's key on screen: none yet, waiting for its code, or paired. */
import { Failure, type KeyState } from "./api.ts";
import { button, byId, element, focusWithin } from "./dom.ts";
import { hasAuthenticators, type Offered, offerKey, type StoredKey } from "./keys.ts";

export interface PairingOptions {
  readonly key: () => StoredKey | undefined;
  readonly setKey: (key: StoredKey) => void;
  readonly say: (text: string, tone?: "bad") => void;
  readonly announce: (text: string) => void;
}

export class Pairing {
  readonly #options: PairingOptions;
  readonly #place: HTMLElement = byId("key");
  #drawn = "";
  #dataOption = "";
  #offered: Offered | undefined;
  #busy = false;

  constructor(options: PairingOptions) {
    this.#options = options;
  }

  /** A code stands on screen and may be typed at any moment. */
  get waiting(): boolean {
    return this.#offered !== undefined;
  }

  show(state: KeyState, dataOption: string = this.#dataOption): void {
    this.#dataOption = dataOption;
    if (state === "paired") this.#offered = undefined;
    const offered = this.#offered;
    if (offered !== undefined && Date.now() >= offered.expiresMs) this.#offered = undefined;
    const drawn = `${state} ${this.#offered?.code ?? ""} ${this.#options.key()?.kind ?? ""}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#place.hidden = false;
    this.#place.setAttribute("data-state", state);
    if (state === "paired") this.#paired();
    else if (this.#offered === undefined) this.#none();
    else this.#code(this.#offered);
  }

  #heading(words: string): HTMLElement {
    return element("h2", { id: "key-title", tabindex: "-1" }, words);
  }

  #paired(): void {
    const words =
      this.#options.key()?.kind === "webauthn"
        ? "Cards are signed by your authenticator, which asks for a touch."
        : "Cards are signed by a key of this browser. Any program running as you could use it.";
    this.#place.replaceChildren(
      this.#heading("This browser may answer"),
      element("p", { class: "muted" }, words),
    );
  }

  #none(): void {
    const actions = element("div", { class: "actions" });
    if (hasAuthenticators()) {
      actions.append(
        button("Use a passkey or security key", "", "plain", () => this.#offer("webauthn")),
      );
    }
    actions.append(
      button("Use a key of this browser", "", "plain", () => this.#offer("webcrypto")),
    );
    this.#place.replaceChildren(
      this.#heading("Let this browser answer"),
      element(
        "p",
        { class: "muted" },
        "A key is made here and paired once with a code that you type at the terminal. Until then cards are answered there: ",
        element("code", {}, `./ioi approve ID${this.#dataOption}`),
        ".",
      ),
      actions,
    );
  }

  #code({ code }: Offered): void {
    const title = this.#heading("Type this at the terminal");
    this.#place.replaceChildren(
      title,
      element("p", { class: "code" }, code),
      element("p", {}, element("code", {}, `./ioi devices pair ${code}${this.#dataOption}`)),
      element("p", { class: "muted" }, "Good for five minutes. This page notices by itself."),
    );
    focusWithin(title);
    const spelled = [...code].join(" ");
    this.#options.announce(`Type this code at the terminal: ${spelled}`);
  }

  #offer(kind: StoredKey["kind"]): void {
    if (this.#busy) return;
    this.#busy = true;
    const { say, setKey, key } = this.#options;
    offerKey(kind, key())
      .then(
        (offered) => {
          this.#offered = offered;
          setKey(offered.key);
          say("");
          this.show("waiting");
        },
        (error: unknown) => {
          say(error instanceof Failure ? error.message : "No key was made.", "bad");
        },
      )
      .finally(() => {
        this.#busy = false;
      });
  }
}
