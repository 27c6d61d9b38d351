/**
 * `ioi/agent/1`: the lines that a session and an agent's program exchange, JSON, one a line.
 *
 * The program answers every `observe` with exactly one `propose`, `say` or `finish` of the same
 * `seq`; before it does it may `read` in what earlier actions found. It is a stranger: a line that
 * is anything else is no answer, whatever it claims. Bounds: `agentLineBytesMax`, those of a step.
 */
import { err, ok, type Result, utf8Encode } from "@ioi/base";
import { type JsonValue, parseJson } from "@ioi/wire";
import type { AgentReply, Look, Stretch, Turn } from "../agent.ts";
import {
  actionContentBytesMax,
  agentContentBytesMax,
  reasonCharsMax,
  sayCharsMax,
} from "../limits.ts";
import { originOf } from "../origin.ts";
import { agentStep, type Observation } from "../session/messages.ts";
import { clip } from "../session/state.ts";
import { type RawArguments, toolOf, tools, toolSchema } from "../tools.ts";

export const agentProtocol = "ioi/agent/1";

type Json = { readonly [name: string]: unknown };

const line = (message: Json): string => `${JSON.stringify(message)}\n`;

/** The first line: the goal, where the session works, and the tools that the agent wants. */
export const startLine = ({ session }: Look): string =>
  line({
    type: "start",
    protocol: agentProtocol,
    goal: session.goal.text,
    workspace: session.workspace,
    folders: session.roots.map(({ path, write }) => ({ path, write })),
    ...(session.attachments.length === 0 ? {} : { attachments: session.attachments }),
    ...(session.persons.length === 0 ? {} : { persons: session.persons }),
    tools: tools
      .filter(({ target, driver }) => driver !== null && wanted(session, target))
      .map((tool) => ({
        target: tool.target,
        description: tool.about,
        schema: toolSchema(tool),
      })),
  });

const wanted = ({ folder }: Look["session"], target: string): boolean =>
  folder?.tools.includes(target) === true;

/** What an observation shows of an action's content. */
export const shownStretch = (n: number): Stretch => ({
  n,
  offset: 0,
  length: agentContentBytesMax,
});

type Of<T extends Observation["type"]> = Extract<Observation, { readonly type: T }>;

const undoOf = ({ undo, counter, paths }: Of<"outcome">): unknown =>
  undo === "paths" ? { counter: Number(counter), paths } : undo;

/** Content in place, as far as it fits; its origin stands beside it for life. */
const contentOf = (n: number, look: Look): Json | undefined => {
  const piece = look.piece(shownStretch(n));
  if (piece === undefined) return undefined;
  const action = look.session.actions[n - 1];
  const origin = action === undefined ? { kind: "none", name: "" } : originOf(action);
  return piece === "none"
    ? { origin }
    : { origin, content: piece.text, shown: piece.bytes, bytes: piece.total };
};

const observationOf = (seen: Observation, look: Look): Json | undefined => {
  switch (seen.type) {
    case "outcome": {
      const { n, target, status, code, message, exit, repeats } = seen;
      const content = contentOf(n, look);
      if (content === undefined) return undefined;
      const undo = undoOf(seen);
      return {
        type: "outcome",
        action: n,
        target,
        status,
        code,
        message,
        exit,
        undo,
        repeats,
        ...content,
      };
    }
    case "denied": {
      const { n, target, reason, instead, repeats } = seen;
      return { type: "denied", action: n, target, reason, instead, repeats };
    }
    case "failed": {
      const { n, target, code, message, repeats } = seen;
      return { type: "failed", action: n, target, code, message, repeats };
    }
    case "invalid":
      return { type: "invalid", code: seen.code, message: seen.message };
    case "goal":
    case "said":
      return { type: seen.type };
  }
};

/** The line of one turn; undefined where its content is not at hand. */
export const observeLine = (seq: number, turn: Turn, look: Look): string | undefined => {
  const observation = observationOf(turn.observation, look);
  return observation === undefined
    ? undefined
    : line({ type: "observe", seq, observation, messages: turn.messages });
};

/** The answer to a `read`. */
export const contentLine = (
  seq: number,
  { n, offset }: Stretch,
  piece: ReturnType<Look["piece"]>,
): string =>
  piece === undefined || piece === "none"
    ? line({ type: "content", seq, action: n, offset, content: null, shown: 0, bytes: 0 })
    : line({
        type: "content",
        seq,
        action: n,
        offset,
        content: piece.text,
        shown: piece.bytes,
        bytes: piece.total,
      });

type Fields = { readonly [name: string]: JsonValue };

const isFields = (value: JsonValue | undefined): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const fieldsOf: ReadonlyMap<string, readonly string[]> = new Map([
  ["propose", ["target", "args"]],
  ["say", ["text"]],
  ["finish", ["status", "message"]],
  ["read", ["action", "offset", "length"]],
]);

/** Nothing but what an action's arguments can hold: no fractions, no depth without end. */
const isCanonical = (value: JsonValue, depth: number): boolean => {
  if (typeof value === "number") return Number.isSafeInteger(value);
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0) return false;
  return Object.values(value).every((each: JsonValue) => isCanonical(each, depth - 1));
};

const argumentDepthMax = 8;

const proposeOf = ({ target, args }: Fields): Result<AgentReply, string> => {
  if (typeof target !== "string" || target.length > 64) return err("target is no tool's");
  if (!isFields(args)) return err("args is no object");
  if (!isCanonical(args, argumentDepthMax)) {
    return ok({ type: "invalid", message: `${target}: an argument is a fraction or too deep` });
  }
  const name = toolOf(target)?.arguments.find(({ of }) => of.type === "content")?.name ?? "";
  const { [name]: content, ...rest } = args;
  if (content !== undefined && typeof content !== "string") {
    return ok({ type: "invalid", message: `${target}: ${name} must be text` });
  }
  const bytes = content === undefined ? undefined : utf8Encode(content);
  if ((bytes?.length ?? 0) > actionContentBytesMax) {
    return ok({
      type: "invalid",
      message: `${target}: ${name} has more than ${actionContentBytesMax} bytes`,
    });
  }
  const raw = rest as RawArguments;
  return ok({
    type: "propose",
    target,
    args: raw,
    ...(bytes === undefined ? {} : { content: bytes }),
  });
};

const finishOf = ({ status, message = "" }: Fields): Result<AgentReply, string> => {
  if (status !== "done" && status !== "failed") return err("status is done or failed");
  if (typeof message !== "string") return err("message is no text");
  const code = status === "failed" ? { code: "E_AGENT_GAVE_UP" } : {};
  const said = message === "" ? {} : { message: clip(message, reasonCharsMax) };
  return ok({ type: "finish", status, ...code, ...said });
};

const isCount = (value: JsonValue | undefined): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

const readOf = ({ action, offset, length }: Fields): Result<AgentReply, string> =>
  isCount(action) && isCount(offset) && (length === undefined || isCount(length))
    ? ok({
        type: "read",
        stretches: [
          {
            n: action,
            offset,
            length: Math.min(length ?? agentContentBytesMax, agentContentBytesMax),
          },
        ],
      })
    : err("read takes action, offset and length, all integers");

const replyOf = (type: string, fields: Fields): Result<AgentReply, string> => {
  switch (type) {
    case "propose":
      return proposeOf(fields);
    case "say":
      return typeof fields["text"] === "string"
        ? ok({ type: "say", text: clip(fields["text"], sayCharsMax) })
        : err("text is no text");
    case "finish":
      return finishOf(fields);
    default:
      return readOf(fields);
  }
};

/** What a line of the program says in answer to turn `seq`; else what is wrong with it. */
export const readAgentLine = (
  text: string | Uint8Array,
  seq: number,
): Result<AgentReply, string> => {
  const parsed = parseJson(text);
  if (!parsed.ok) return err(`a line is not JSON: ${parsed.error.message}`);
  if (!isFields(parsed.value)) return err("a line is no object");
  const { type, seq: answered, ...fields } = parsed.value;
  const known = typeof type === "string" ? fieldsOf.get(type) : undefined;
  if (typeof type !== "string" || known === undefined)
    return err("type is none of propose, say, finish, read");
  if (answered !== seq) return err(`seq is not ${seq}`);
  const stray = Object.keys(fields).find((name) => !known.includes(name));
  if (stray !== undefined) return err(`a ${type} has no field ${stray.slice(0, 64)}`);
  const reply = replyOf(type, fields);
  if (!reply.ok || reply.value.type === "read") return reply;
  const checked = agentStep.fromCanonical(agentStep.toCanonical(reply.value), "step");
  return checked.ok ? ok(checked.value) : err(checked.error);
};
