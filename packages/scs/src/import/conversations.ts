/**
 * Exports of chats with assistants: the `conversations.json` of ChatGPT and the one of Claude, an array
 * of conversations each. Every message becomes a memory (a long one, several) with who said it as a tag
 * and when, in the order in which it was said. Of a conversation that was branched by editing, ChatGPT's
 * export has all branches; the one that was shown last is read.
 */
import { importElementCharsMax, importMessagesMax } from "../limits.ts";
import { Elements, type Element } from "./elements.ts";
import { isObject, parseJson } from "./jsonl.ts";
import { type Imported, type ItemReader, nameOf, partsOf } from "./reader.ts";
import { jsonMs } from "./times.ts";

type Fields = Readonly<Record<string, unknown>>;

interface Message {
  readonly role: string;
  readonly text: string;
  readonly saidMs: number | undefined;
}

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? (value as readonly unknown[]) : [];
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

const chatGptMessage = (node: Fields): Message | undefined => {
  const message = node["message"];
  if (!isObject(message)) return undefined;
  const { author, content } = message;
  const role = isObject(author) ? textOf(author["role"]) : "";
  const parts = isObject(content) ? listOf(content["parts"]) : [];
  const text = parts.filter((part) => typeof part === "string").join("\n\n");
  return { role, text, saidMs: jsonMs(message["create_time"]) };
};

/** From the message that was shown last up to the first. */
const chatGpt = (conversation: Fields, mapping: Fields): readonly Message[] => {
  const messages: Message[] = [];
  const seen = new Set<string>();
  let id = textOf(conversation["current_node"]) || (Object.keys(mapping).at(-1) ?? "");
  while (Object.hasOwn(mapping, id) && !seen.has(id) && seen.size < importMessagesMax) {
    seen.add(id);
    const node = mapping[id];
    if (!isObject(node)) break;
    const message = chatGptMessage(node);
    if (message !== undefined) messages.push(message);
    id = textOf(node["parent"]);
  }
  return messages.toReversed();
};

const claude = (messages: readonly unknown[]): readonly Message[] =>
  messages
    .slice(0, importMessagesMax)
    .filter(isObject)
    .map((message) => {
      const blocks = listOf(message["content"])
        .filter(isObject)
        .map((block) => textOf(block["text"]))
        .filter((text) => text !== "");
      return {
        role: message["sender"] === "human" ? "user" : textOf(message["sender"]),
        text: textOf(message["text"]) || blocks.join("\n\n"),
        saidMs: jsonMs(message["created_at"]),
      };
    });

const messagesOf = (conversation: unknown): readonly Message[] | undefined => {
  if (!isObject(conversation)) return undefined;
  if (isObject(conversation["mapping"])) return chatGpt(conversation, conversation["mapping"]);
  if (Array.isArray(conversation["chat_messages"])) return claude(conversation["chat_messages"]);
  return undefined;
};

const read = ({ number, text }: Element): readonly Imported[] => {
  const at = `conversation ${number}`;
  if (text === undefined) {
    const why = `longer than ${importElementCharsMax} characters`;
    return [{ type: "passed over", at, why }];
  }
  const conversation = parseJson(text);
  const messages = messagesOf(conversation);
  if (messages === undefined || !isObject(conversation)) {
    return [{ type: "passed over", at, why: "no conversation of ChatGPT or Claude" }];
  }
  const title = nameOf(textOf(conversation["title"]) || textOf(conversation["name"]));
  return messages.flatMap(({ role, text: said, saidMs }) => {
    // Instructions to the model and its tools are nothing that was said.
    if (role !== "user" && role !== "assistant") return [];
    return partsOf(said).map((part): Imported => ({
      type: "item",
      text: part,
      mediaType: "text/markdown",
      at: title === "" ? at : title,
      ...(saidMs === undefined ? {} : { saidMs }),
      tags: [`role:${role}`],
    }));
  });
};

export class ConversationsReader implements ItemReader {
  readonly #elements = new Elements();

  push(text: string): readonly Imported[] {
    return this.#elements.push(text).flatMap(read);
  }

  end(): readonly Imported[] {
    this.#elements.end();
    return [];
  }
}
