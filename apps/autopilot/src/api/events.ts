/**
 * What changes by itself: server-sent events on `/events`, resumed by the browser with the id of
 * the last one. An event invalidates what it speaks of; `reset` (a tab that slept too long, a
 * console that started again) invalidates everything, so a tab is never silently behind.
 */
import { fromJson } from "@bufbuild/protobuf";
import { type ConsoleEvent, ConsoleEventSchema } from "@ioi/wire/console";
import { announce } from "../view/announce.ts";
import { toneOf, stateWords } from "../pure/run.ts";
import { addOutput, forgetOutput } from "./live.ts";
import { forgetPlan } from "./plans.ts";
import { overviewQuery, queryClient, sessionQuery, sessionsQuery } from "./queries.ts";
import { setLink } from "./link.ts";

const states = new Map<string, string>();
const statesMax = 1000;

const refresh = (...keys: readonly (readonly unknown[])[]): void => {
  for (const queryKey of keys) void queryClient.invalidateQueries({ queryKey });
};

/** Said to a screen reader once for each change that a person waits for. */
const tellState = (session: string, state: string, text: string): void => {
  const before = states.get(session);
  if (states.size > statesMax) states.clear();
  states.set(session, state);
  if (before === undefined || before === state) return;
  if (["waits", "good", "bad"].includes(toneOf(state))) {
    announce(`${stateWords[state] ?? state}: ${text.slice(0, 120)}`);
  }
};

const handle = (event: ConsoleEvent): void => {
  switch (event.kind) {
    case "session": {
      if (event.session === undefined) return;
      const { session, state, text } = event.session;
      tellState(session, state, text);
      // It was begun, here or from its card.
      forgetPlan(session);
      refresh(sessionsQuery.queryKey, sessionQuery(session).queryKey, overviewQuery.queryKey);
      if (toneOf(state) !== "running") {
        forgetOutput(session);
        refresh(["receipts"]);
      }
      return;
    }
    case "cards":
      if (event.pendingCards > 0) announce(`${event.pendingCards} to decide`);
      refresh(overviewQuery.queryKey, ["devices"], ["policy"]);
      return;
    case "overview":
      refresh(overviewQuery.queryKey, ["chain"]);
      return;
    case "output":
      addOutput(event.sessionId, event.action, event.text);
      return;
    case "reset":
      void queryClient.invalidateQueries();
      return;
    default:
  }
};

const onMessage = (message: MessageEvent<string>): void => {
  let event: ConsoleEvent;
  try {
    event = fromJson(ConsoleEventSchema, JSON.parse(message.data), { ignoreUnknownFields: true });
  } catch {
    // A console of another version: what it says is asked for again instead.
    void queryClient.invalidateQueries();
    return;
  }
  handle(event);
};

/** Listens until the signal says stop. */
export const listen = (signal: AbortSignal): void => {
  const source = new EventSource("/events");
  source.addEventListener("message", onMessage);
  for (const kind of ["session", "cards", "overview", "output", "reset"]) {
    source.addEventListener(kind, onMessage as EventListener);
  }
  source.addEventListener("open", () => setLink("live"));
  source.addEventListener("error", () => {
    setLink(source.readyState === EventSource.CLOSED ? "closed" : "retrying");
  });
  signal.addEventListener("abort", () => source.close(), { once: true });
};
