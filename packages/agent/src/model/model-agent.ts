/**
 * The model agent: a conversation with a model in which every tool call is a proposal. Asking the
 * model is itself a proposal (`model::infer`), whose outcome holds the reply.
 *
 * A function of the goal, the turns and what the session's actions found: the conversation is made
 * again from them for every step, so that a restart loses nothing and asks nothing twice.
 * Invariants: what was read goes into the prompt only between marks, as the result of a call; every
 * call of a reply gets exactly one result; a reply that is none is refused a bounded number of times.
 */
import { assert, unreachable } from "@ioi/base";
import type { Agent, AgentReply, Look, Piece, Stretch, Turn } from "../agent.ts";
import {
  actionContentBytesMax,
  badRepliesMax,
  reasonCharsMax,
  replyBytesMax,
  sayCharsMax,
  stretchesMax,
} from "../limits.ts";
import { type Origin, originOf } from "../origin.ts";
import type { AgentStep, Goal, Observation } from "../session/messages.ts";
import { isModelCall } from "../session/spending.ts";
import { type ActionState, clip } from "../session/state.ts";
import { inferTarget, type RawArguments } from "../tools.ts";
import {
  add,
  type Conversation,
  encodePrompt,
  fit,
  newConversation,
  overheadBytes,
  type Room,
  roomOf,
  systemText,
} from "./prompt.ts";
import { oneLine, quoted, tagOf } from "./quote.ts";
import { type ModelReply, readReply, type ReplyCall } from "./reply.ts";
import { takeCall, toolsFor } from "./toolbox.ts";

/** Where the conversation stands after some turns. */
interface Talk {
  readonly conversation: Conversation;
  readonly room: Room;
  /** Calls of the last reply that are not taken yet. */
  queue: ReplyCall[];
  /** The call whose proposal is under way. */
  open: ReplyCall | undefined;
  /** To be said before anything else. */
  saying: string | undefined;
  /** The last reply called no tool: it is the answer. */
  answered: boolean;
  /** What the person said while calls were open: results come first. */
  heard: string[];
  /** Replies one after the other that came to nothing. */
  bad: number;
  /** A call of the last reply was taken, so that the reply came to something. */
  useful: boolean;
}

/** Raised where content is not at hand; the step is taken again once it is. */
class NotAtHand extends Error {
  readonly stretch: Stretch;
  constructor(stretch: Stretch) {
    super("content is not at hand");
    this.stretch = stretch;
  }
}

type Of<T extends Observation["type"]> = Extract<Observation, { readonly type: T }>;

const failed = (code: string, message: string, next?: string): AgentStep => ({
  type: "finish",
  status: "failed",
  code,
  message: clip(message, reasonCharsMax),
  ...(next === undefined || next === "" ? {} : { next: clip(next, reasonCharsMax) }),
});

const pieceAt = (look: Look, stretch: Stretch): Piece | "none" => {
  const piece = look.piece(stretch);
  if (piece === undefined) throw new NotAtHand(stretch);
  return piece;
};

const actionOf = (look: Look, n: number): Readonly<ActionState> => {
  const action = look.session.actions[n - 1];
  assert(action !== undefined, `the session has no action ${n}`);
  return action;
};

/** What an action found, between its marks, and how to read on. */
const contentText = (look: Look, origin: Origin, stretch: Stretch): string => {
  const piece = pieceAt(look, stretch);
  if (piece === "none") return "";
  if (piece.total === 0) return "\n(empty)";
  const { n, offset } = stretch;
  const end = offset + piece.bytes;
  const body = quoted(piece.text, origin, tagOf(look.session.session, n));
  const more =
    end < piece.total || offset > 0
      ? `\n(bytes ${offset} to ${end} of ${piece.total}${end < piece.total ? `; content_read {"action":${n},"offset":${end}} reads on` : ""})`
      : "";
  return `\n${body}${more}`;
};

const repeatText = (repeats: number | undefined): string =>
  repeats === undefined
    ? ""
    : `\nThis is the ${repeats}. time that this very call ended in this very way. Do something else: once more ends the session.`;

const outcomeText = (seen: Of<"outcome">): string => {
  const exit = seen.exit === undefined ? "" : `, exit code ${seen.exit}`;
  const code = seen.code === undefined ? "" : ` ${seen.code}`;
  const message = seen.message === undefined ? "" : `: ${oneLine(seen.message)}`;
  return `action ${seen.n}, ${seen.target}: ${seen.status}${exit}${code}${message}`;
};

interface Result {
  readonly text: string;
  readonly short: string;
}

const resultOf = (talk: Talk, seen: Observation, look: Look): Result => {
  const plain = (text: string): Result => ({ text, short: text });
  switch (seen.type) {
    case "outcome": {
      const head = outcomeText(seen);
      const { n } = seen;
      const origin = originOf(actionOf(look, n));
      const found = contentText(look, origin, { n, offset: 0, length: talk.room.resultBytes });
      const short =
        found === ""
          ? head
          : `${head}\n(left out; content_read {"action":${n},"offset":0} reads it)`;
      const told = repeatText(seen.repeats);
      return { text: head + found + told, short };
    }
    case "denied": {
      const instead = seen.instead === "" ? "" : `\nAllowed instead: ${oneLine(seen.instead)}`;
      const head = `action ${seen.n}, ${seen.target}: DENIED: ${oneLine(seen.reason)}`;
      return plain(head + instead + repeatText(seen.repeats));
    }
    case "failed": {
      const head = `action ${seen.n}, ${seen.target}: not done, ${seen.code}: ${oneLine(seen.message)}`;
      return plain(head + repeatText(seen.repeats));
    }
    case "invalid":
      return plain(`not done, ${seen.code}: ${oneLine(seen.message)}`);
    case "goal":
    case "said":
      return plain("not done: the session went on without it");
    default:
      return unreachable(seen);
  }
};

const answer = (talk: Talk, call: ReplyCall, { text, short }: Result): void => {
  add(talk.conversation, { type: "result", call: call.id, text, short });
};

const hear = (talk: Talk, text: string, person: boolean): void => {
  if (text !== "") add(talk.conversation, { type: "user", text, person });
};

/** Files that the person picked, by name; a name is a stranger's text, so it is content. */
const hearAttachments = (talk: Talk, { attachments, session }: Look["session"]): void => {
  if (attachments.length === 0) return;
  const names = attachments.map(oneLine).join("\n");
  const origin = { kind: "attachment", name: "files that the person picked" } as const;
  const text = quoted(names, origin, tagOf(session, 0));
  add(talk.conversation, { type: "user", text, person: false });
};

/** Whom the person picked: addresses and nothing else, so they are the person's own words. */
const hearPersons = (talk: Talk, { persons }: Look["session"]): void => {
  if (persons.length > 0) hear(talk, `People picked for this task: ${persons.join(", ")}`, true);
};

/** A reply that is none is answered with what is wrong with it; too many in a row end the session. */
const refuse = (talk: Talk, complaint: string): AgentStep | undefined => {
  talk.bad += 1;
  if (talk.bad >= badRepliesMax) {
    return failed(
      "E_MODEL_REPLY",
      `${badRepliesMax} replies came to nothing, the last: ${complaint}`,
    );
  }
  hear(talk, `(${complaint}. Call a tool, or answer in words to end the session.)`, false);
  return undefined;
};

const takeReply = (talk: Talk, reply: ModelReply): AgentStep | undefined => {
  const { text, calls, finish } = reply;
  if (finish === "filter")
    return failed("E_MODEL_FILTERED", "the model's provider withheld its reply");
  if (calls.length === 0 && text.trim() === "") {
    return refuse(
      talk,
      finish === "length"
        ? "your reply was cut off before it said anything"
        : "your reply was empty",
    );
  }
  add(talk.conversation, { type: "assistant", text, calls });
  talk.saying = text.trim() === "" ? undefined : clip(text, sayCharsMax);
  if (calls.length === 0 && finish === "length") return refuse(talk, "your reply was cut off");
  if (calls.length === 0) talk.answered = true;
  talk.queue = [...calls];
  talk.useful = false;
  return undefined;
};

const inferFailed = (seen: Observation): AgentStep => {
  switch (seen.type) {
    case "denied":
      return failed("E_ACTION_DENIED", seen.reason, seen.instead);
    case "outcome": {
      const message = seen.message ?? `the model's call ended as ${seen.status}`;
      return failed(seen.code ?? "E_MODEL_FAILED", message);
    }
    case "failed":
    case "invalid":
      return failed(seen.code, seen.message);
    default:
      return failed("E_MODEL_FAILED", "the model's call came to nothing");
  }
};

/** The answer to a call of the model. */
const inferred = (talk: Talk, seen: Observation, look: Look): AgentStep | undefined => {
  if (seen.type !== "outcome" || seen.status !== "confirmed") return inferFailed(seen);
  const piece = pieceAt(look, { n: seen.n, offset: 0, length: replyBytesMax });
  if (piece === "none") return refuse(talk, "your reply was lost");
  if (piece.total > replyBytesMax) return refuse(talk, "your reply was too long");
  const reply = readReply(piece.text);
  return reply.ok ? takeReply(talk, reply.value) : refuse(talk, reply.error);
};

/** Whether the turn answers a call of the model, or one that the model made. */
const absorb = (talk: Talk, turn: Turn, asked: boolean, look: Look): AgentStep | undefined => {
  const { observation } = turn;
  talk.heard.push(...turn.messages);
  if (observation.type === "goal") {
    hear(talk, look.session.goal.text, true);
    hearPersons(talk, look.session);
    hearAttachments(talk, look.session);
  } else if (talk.open !== undefined) {
    answer(talk, talk.open, resultOf(talk, observation, look));
    talk.open = undefined;
  } else if (asked) return inferred(talk, observation, look);
  return undefined;
};

/** `content_read`, from what the session has. */
const readOn = (talk: Talk, n: number, offset: number, look: Look): Result => {
  const action = look.session.actions[n - 1];
  const none = `there is no content of action ${n}`;
  if (action === undefined || isModelCall(action)) return { text: none, short: none };
  const stretch = { n, offset, length: talk.room.resultBytes };
  const found = contentText(look, originOf(action), stretch);
  const head = `content of action ${n}, ${action.target}`;
  const short = `${head}: left out; content_read {"action":${n},"offset":${offset}} reads it`;
  return found === "" ? { text: none, short: none } : { text: head + found, short };
};

/** Takes the calls that are left until one is a proposal. */
const nextCall = (talk: Talk, look: Look): AgentStep | undefined => {
  for (;;) {
    const call = talk.queue.shift();
    if (call === undefined) return undefined;
    const taken = takeCall(call, look.session.servers);
    if (!taken.ok) {
      const text = `not done: ${oneLine(taken.error)}`;
      answer(talk, call, { text, short: text });
      continue;
    }
    talk.useful = true;
    talk.bad = 0;
    if (taken.value.type === "content") {
      answer(talk, call, readOn(talk, taken.value.n, taken.value.offset, look));
      continue;
    }
    talk.open = call;
    const alike = alikeAfter(talk, taken.value.target);
    return alike.length === 0 ? taken.value : { ...taken.value, alike };
  }
};

/** Arguments of later calls of the same reply to the same tool: a person is asked once for all. */
const alikeAfter = ({ queue }: Talk, target: string): readonly RawArguments[] =>
  queue.flatMap((call) => {
    const taken = takeCall(call);
    const same = taken.ok && taken.value.type === "propose" && taken.value.target === target;
    return same && taken.value.content === undefined ? [taken.value.args] : [];
  });

const infer = (talk: Talk, look: Look): AgentStep => {
  const { session } = look;
  const system = systemText(session);
  const { conversation, room } = talk;
  const offered = toolsFor(session.servers);
  const bytes = room.promptBytes - overheadBytes(system, offered);
  const fits = fit(conversation, bytes);
  const content = encodePrompt(system, conversation, offered);
  if (!fits || content.length > actionContentBytesMax) {
    return failed("E_MODEL_CONTEXT", "what was said last does not fit the model's context");
  }
  const model = session.model?.id ?? "";
  return {
    type: "propose",
    target: inferTarget,
    args: { model, max_tokens: room.replyTokens },
    content,
  };
};

/** A reply of which no call could be taken came to nothing. */
const endReply = (talk: Talk): AgentStep | undefined => {
  const last = talk.conversation.entries.at(-1);
  if (talk.useful || last?.type !== "result") return undefined;
  talk.bad += 1;
  return talk.bad < badRepliesMax
    ? undefined
    : failed(
        "E_AGENT_INVALID_CALLS",
        `${badRepliesMax} replies one after the other only called tools wrongly`,
      );
};

const next = (talk: Talk, look: Look): AgentStep => {
  if (talk.saying !== undefined) {
    const text = talk.saying;
    talk.saying = undefined;
    return { type: "say", text };
  }
  const step = nextCall(talk, look);
  if (step !== undefined) return step;
  const ended = endReply(talk);
  if (ended !== undefined) return ended;
  for (const text of talk.heard.splice(0)) {
    hear(talk, text, true);
    talk.answered = false;
  }
  return talk.answered ? { type: "finish", status: "done" } : infer(talk, look);
};

const newTalk = (look: Look): Talk => ({
  conversation: newConversation(),
  room: roomOf(look.session.model),
  queue: [],
  open: undefined,
  saying: undefined,
  answered: false,
  heard: [],
  bad: 0,
  useful: true,
});

const copyOf = (talk: Talk): Talk => ({
  ...talk,
  conversation: { ...talk.conversation, entries: [...talk.conversation.entries] },
  queue: [...talk.queue],
  heard: [...talk.heard],
});

/** How far the conversation was made: everything in it follows from these turns. */
interface Made {
  readonly turns: readonly Turn[];
  readonly talk: Talk;
  /** The step that the last of them was answered with. */
  readonly asked: boolean;
}

/** Takes one turn further; what the turn answers is known from the step before it. */
const advance = (made: Made | undefined, turn: Turn, look: Look): [Made, AgentStep] => {
  const talk = made === undefined ? newTalk(look) : copyOf(made.talk);
  const step = absorb(talk, turn, made?.asked ?? false, look) ?? next(talk, look);
  const asked = step.type === "propose" && step.target === inferTarget;
  return [{ turns: [...(made?.turns ?? []), turn], talk, asked }, step];
};

/** Everything that the turns tell of and that is not at hand, so that it is asked for once. */
const missing = (turns: readonly Turn[], look: Look, first: Stretch): readonly Stretch[] => {
  const { resultBytes } = roomOf(look.session.model);
  const wanted = [first];
  for (const { observation } of turns) {
    if (observation.type !== "outcome" || wanted.length >= stretchesMax) continue;
    const { n } = observation;
    const length = isModelCall(actionOf(look, n)) ? replyBytesMax : resultBytes;
    const stretch = { n, offset: 0, length };
    const same = n === first.n && first.offset === 0 && first.length === length;
    if (!same && look.piece(stretch) === undefined) wanted.push(stretch);
  }
  return wanted;
};

/** Whether the made part is the beginning of these turns, and not all of them. */
const begins = (made: Made | undefined, turns: readonly Turn[]): made is Made =>
  made !== undefined &&
  made.turns.length < turns.length &&
  made.turns.every((turn, at) => turn === turns[at]);

export const modelAgent = (goal: Goal): Agent => {
  assert(goal.kind === "model", `${goal.kind} is no goal for a model`);
  // Not state: what is made once need not be made again for every step.
  let made: Made | undefined;
  const step = (turns: readonly Turn[], look: Look): AgentReply => {
    let from = begins(made, turns) ? made : undefined;
    try {
      for (;;) {
        const turn = turns[from?.turns.length ?? 0];
        assert(turn !== undefined, "an agent is asked without a turn");
        const [after, reply] = advance(from, turn, look);
        if (after.turns.length === turns.length) return reply;
        from = after;
        made = after;
      }
    } catch (signal) {
      if (!(signal instanceof NotAtHand)) throw signal;
      return { type: "read", stretches: missing(turns, look, signal.stretch) };
    }
  };
  return { step };
};
