/**
 * What a model answered (`ioi.model-reply/1`), read strictly. It is a stranger's text: what does not
 * fit is no reply, and a reply with more calls than one may hold is refused whole.
 */
import { err, ok, type Result } from "@ioi/base";
import { type JsonValue, parseJson } from "@ioi/wire";
import { callIdCharsMax, replyCallsMax, toolNameCharsMax } from "../limits.ts";

export interface ReplyCall {
  readonly id: string;
  readonly name: string;
  /** JSON as the model wrote it; it may not parse. */
  readonly arguments: string;
}

export interface ModelReply {
  readonly text: string;
  readonly calls: readonly ReplyCall[];
  readonly finish: "stop" | "calls" | "length" | "filter";
}

type Json = { readonly [name: string]: JsonValue };

export const isJsonObject = (value: JsonValue | undefined): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const readCall = (value: JsonValue): ReplyCall | undefined => {
  if (!isJsonObject(value)) return undefined;
  const { id, name, arguments: given } = value;
  return typeof id === "string" && typeof name === "string" && typeof given === "string"
    ? { id, name: name.slice(0, toolNameCharsMax), arguments: given }
    : undefined;
};

/** Ids that the prompt can name again: given, short, each once. */
const named = (calls: readonly ReplyCall[]): readonly ReplyCall[] => {
  const seen = new Set<string>();
  return calls.map((call, at) => {
    const usable = call.id !== "" && call.id.length <= callIdCharsMax && !seen.has(call.id);
    const id = usable ? call.id : `call-${at + 1}`;
    seen.add(id);
    return { ...call, id };
  });
};

/** The reply, or in a sentence for the model why it is none. */
export const readReply = (text: string): Result<ModelReply, string> => {
  const parsed = parseJson(text);
  if (!parsed.ok || !isJsonObject(parsed.value)) return err("your reply could not be read");
  const { text: said, calls, finish } = parsed.value;
  if (typeof said !== "string" || !Array.isArray(calls)) return err("your reply could not be read");
  if (finish !== "stop" && finish !== "calls" && finish !== "length" && finish !== "filter") {
    return err("your reply has no known end");
  }
  if (calls.length > replyCallsMax) {
    return err(
      `your reply held ${calls.length} tool calls; at most ${replyCallsMax} are taken at once, so none was`,
    );
  }
  const read = (calls as readonly JsonValue[]).map(readCall);
  if (!read.every((call) => call !== undefined)) return err("your reply could not be read");
  return ok({ text: said.toWellFormed(), calls: named(read), finish });
};
