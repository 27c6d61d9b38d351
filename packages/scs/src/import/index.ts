/** Importers: files of other programs that become memories. */
import { ConversationsReader } from "./conversations.ts";
import { JsonLinesReader } from "./jsonl.ts";
import { MailReader } from "./mail.ts";
import { MarkdownReader } from "./markdown.ts";
import type { ItemReader } from "./reader.ts";
import { TextReader } from "./text.ts";
import { type DateOrder, WhatsAppReader } from "./whatsapp.ts";

export { type Imported, type Item, type ItemReader, type PassedOver } from "./reader.ts";
export { importInto, type ImportOptions, type ImportReport, type ImportSource } from "./run.ts";
export { type DateOrder, DateOrderFinder } from "./whatsapp.ts";

/** `pdf` is the text of one, and `mbox` the mails of one, as somebody else reads them. */
export const importKinds = [
  "markdown",
  "text",
  "jsonl",
  "pdf",
  "conversations",
  "whatsapp",
  "mbox",
] as const;
export type ImportKind = (typeof importKinds)[number];

export const readerOf = (kind: ImportKind, dates: DateOrder): ItemReader => {
  switch (kind) {
    case "markdown":
      return new MarkdownReader();
    case "text":
    case "pdf":
      return new TextReader();
    case "jsonl":
      return new JsonLinesReader();
    case "conversations":
      return new ConversationsReader();
    case "whatsapp":
      return new WhatsAppReader(dates);
    case "mbox":
      return new MailReader();
  }
};

/** What a file is by its name; undefined where the name does not say. */
export const kindOfName = (name: string): ImportKind | undefined => {
  const lower = name.toLowerCase();
  if (/\.(md|markdown)$/.test(lower)) return "markdown";
  if (/\.(jsonl|ndjson)$/.test(lower)) return "jsonl";
  if (lower.endsWith(".pdf")) return "pdf";
  if (/\.(mbox|mbx)$/.test(lower)) return "mbox";
  if (lower.endsWith(".json")) return "conversations";
  if (/whatsapp.*\.txt$/.test(lower) || lower === "_chat.txt") return "whatsapp";
  return /\.(txt|text|log|rst|org)$/.test(lower) ? "text" : undefined;
};
