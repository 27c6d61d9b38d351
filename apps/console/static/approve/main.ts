/**
 * The approval page: what waits for a person, one card at a time, answered with this browser's key.
 * It stands in a frame of the page and tells it nothing; both learn what happened from the kernel.
 */
import { Failure, type KeyState, listCards, type Listed } from "./api.ts";
import { CardView } from "./card.ts";
import { byId } from "./dom.ts";
import { storedKey, type StoredKey } from "./keys.ts";
import { Pairing } from "./pairing.ts";

/** Between two looks while a code waits to be typed, in milliseconds. */
const pairingPollMs = 1_500;
/** Between two looks where events do not come, in milliseconds. */
const retryMs = 3_000;

let key: StoredKey | undefined;
let state: KeyState = "none";
let looking = false;
let again = false;
let dataOption = "";
let timer: ReturnType<typeof setTimeout> | undefined;

const say = (text: string, tone?: "bad"): void => {
  const place = byId("state");
  place.textContent = text;
  place.hidden = text === "";
  if (tone === undefined) place.removeAttribute("data-tone");
  else place.setAttribute("data-tone", tone);
  if (tone === "bad") announce(text);
};

const announce = (text: string): void => {
  byId("live").textContent = text;
};

const soon = (inMs: number): void => {
  clearTimeout(timer);
  timer = setTimeout(() => void look(), inMs);
};

const pairing = new Pairing({
  key: () => key,
  setKey: (made) => {
    key = made;
    soon(0);
  },
  say,
  announce,
});

const card = new CardView({
  key: () => key,
  paired: () => state === "paired",
  say,
  announce,
  onAnswered: () => soon(0),
  dataOption: () => dataOption,
});

const titleOf = ({ cards, more }: Listed): string => {
  const count = cards.length + more;
  if (count === 0) return "Nothing to decide";
  return count === 1 ? "1 to decide" : `${count} to decide, oldest first`;
};

const draw = (listed: Listed): void => {
  if (state !== "paired" && listed.device === "paired") say("This browser may answer now.");
  state = listed.device;
  dataOption = listed.dataOption;
  byId("title").textContent = titleOf(listed);
  card.show(listed.cards[0]);
  pairing.show(state, listed.dataOption);
};

const look = async (): Promise<void> => {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  again = false;
  let nextMs: number | undefined;
  try {
    draw(await listCards(key?.device ?? new Uint8Array(0)));
    if (pairing.waiting) nextMs = pairingPollMs;
  } catch (error) {
    say(error instanceof Failure ? error.message : "The cards could not be shown.", "bad");
    if (!(error instanceof Failure && error.signedOut)) nextMs = retryMs;
  } finally {
    looking = false;
  }
  if (again) soon(0);
  else if (nextMs !== undefined) soon(nextMs);
};

const listen = (): void => {
  const events = new EventSource("/events");
  events.addEventListener("message", () => soon(0));
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) soon(retryMs);
  });
};

const start = async (): Promise<void> => {
  key = await storedKey().catch(() => undefined);
  await look();
  listen();
};

void start();
