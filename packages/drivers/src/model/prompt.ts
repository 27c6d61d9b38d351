/**
 * What a model is told (`ioi.model/1`) and what it answered (`ioi.model-reply/1`), as JSON.
 *
 * The prompt arrives from the Workload: it is read strictly, an unknown field is refused. Bounds:
 * the content of one action; `modelMessagesMax`, `modelToolsMax`.
 */
import { err, ok, type Result, utf8Decode, utf8Encode } from "@ioi/base";
import { type JsonValue, parseJson } from "@ioi/wire";
import { modelCallsMax, modelMessagesMax, modelToolsMax } from "../limits.ts";

export interface ModelCall {
  readonly id: string;
  readonly name: string;
  /** JSON as the model wrote it; it may not parse. */
  readonly arguments: string;
}

export type PromptMessage =
  | { readonly role: "user"; readonly content: string }
  | { readonly role: "assistant"; readonly content: string; readonly calls: readonly ModelCall[] }
  /** `name`: of the tool whose call is answered. */
  | {
      readonly role: "tool";
      readonly content: string;
      readonly call: string;
      readonly name: string;
    };

export interface PromptTool {
  readonly name: string;
  readonly description: string;
  readonly schema: { readonly [name: string]: JsonValue };
}

export interface Prompt {
  readonly system: string;
  readonly messages: readonly PromptMessage[];
  readonly tools: readonly PromptTool[];
}

type Json = { readonly [name: string]: JsonValue };

const isObject = (value: JsonValue | undefined): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const hasOnly = (value: Json, known: readonly string[]): boolean =>
  Object.keys(value).every((name) => known.includes(name));

const text = (value: Json, name: string): string | undefined => {
  const found = value[name];
  return typeof found === "string" && found.isWellFormed() ? found : undefined;
};

const readCall = (value: JsonValue): ModelCall | undefined => {
  if (!isObject(value) || !hasOnly(value, ["id", "name", "arguments"])) return undefined;
  const [id, name, given] = [text(value, "id"), text(value, "name"), text(value, "arguments")];
  return id === undefined || name === undefined || given === undefined
    ? undefined
    : { id, name, arguments: given };
};

const readCalls = (value: JsonValue | undefined): readonly ModelCall[] | undefined => {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > modelCallsMax) return undefined;
  const calls = (value as readonly JsonValue[]).map(readCall);
  return calls.every((call) => call !== undefined) ? calls : undefined;
};

/** `names`: the tool of every call so far, by the call's id. */
const readMessage = (value: JsonValue, names: Map<string, string>): PromptMessage | undefined => {
  if (!isObject(value)) return undefined;
  const content = text(value, "content");
  if (content === undefined) return undefined;
  switch (value["role"]) {
    case "user":
      return hasOnly(value, ["role", "content"]) ? { role: "user", content } : undefined;
    case "assistant": {
      const calls = hasOnly(value, ["role", "content", "calls"])
        ? readCalls(value["calls"])
        : undefined;
      for (const call of calls ?? []) names.set(call.id, call.name);
      return calls === undefined ? undefined : { role: "assistant", content, calls };
    }
    case "tool": {
      const call = text(value, "call");
      const name = call === undefined ? undefined : names.get(call);
      return call === undefined ||
        name === undefined ||
        !hasOnly(value, ["role", "content", "call"])
        ? undefined
        : { role: "tool", content, call, name };
    }
    default:
      return undefined;
  }
};

const readTool = (value: JsonValue): PromptTool | undefined => {
  if (!isObject(value) || !hasOnly(value, ["name", "description", "schema"])) return undefined;
  const [name, description] = [text(value, "name"), text(value, "description")];
  const schema = value["schema"];
  return name === undefined || description === undefined || !isObject(schema)
    ? undefined
    : { name, description, schema };
};

const listOf = (value: JsonValue | undefined, max: number): readonly JsonValue[] | undefined =>
  Array.isArray(value) && value.length <= max ? (value as readonly JsonValue[]) : undefined;

/** The prompt, or what is wrong with it. */
export const readPrompt = (bytes: Uint8Array): Result<Prompt, string> => {
  const parsed = parseJson(utf8Decode(bytes) ?? "");
  if (!parsed.ok) return err(`the prompt is not JSON: ${parsed.error.message}`);
  const { value } = parsed;
  if (!isObject(value) || !hasOnly(value, ["system", "messages", "tools"])) {
    return err("the prompt is not an object of system, messages and tools");
  }
  const system = text(value, "system");
  const given = listOf(value["messages"], modelMessagesMax);
  const offered = listOf(value["tools"] ?? [], modelToolsMax);
  if (system === undefined) return err("the prompt's system is not text");
  if (given === undefined)
    return err(`the prompt has no list of at most ${modelMessagesMax} messages`);
  if (offered === undefined) return err(`the prompt has more than ${modelToolsMax} tools`);
  const names = new Map<string, string>();
  const messages: PromptMessage[] = [];
  for (const [at, each] of given.entries()) {
    const message = readMessage(each, names);
    if (message === undefined) return err(`message ${at} of the prompt is none`);
    messages.push(message);
  }
  const tools: PromptTool[] = [];
  for (const [at, each] of offered.entries()) {
    const tool = readTool(each);
    if (tool === undefined) return err(`tool ${at} of the prompt is none`);
    tools.push(tool);
  }
  return messages.length === 0 ? err("the prompt has no message") : ok({ system, messages, tools });
};

export interface ModelReply {
  readonly text: string;
  readonly calls: readonly ModelCall[];
  readonly finish: "stop" | "calls" | "length" | "filter";
  readonly usage: { readonly input: number; readonly output: number; readonly cached: number };
}

export const encodeReply = ({ text: said, calls, finish, usage }: ModelReply): Uint8Array =>
  utf8Encode(
    JSON.stringify({
      text: said,
      calls: calls.map(({ id, name, arguments: given }) => ({ id, name, arguments: given })),
      finish,
      usage: { input: usage.input, output: usage.output, cached: usage.cached },
    }),
  );
