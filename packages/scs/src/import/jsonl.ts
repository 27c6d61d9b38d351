/**
 * JSON, one value a line: a text, or an object with `text` (or `content`) and, where it has them, `id`,
 * `tags` and when it was said (`at`, `saidMs`, `created_at`, `timestamp` or `time`).
 */
import { memoryTagsMax } from "../limits.ts";
import { type Line, Lines, tooLong } from "./lines.ts";
import { type Imported, type ItemReader, nameOf } from "./reader.ts";
import { jsonMs } from "./times.ts";

const timeNames = ["at", "saidMs", "created_at", "timestamp", "time"];

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // What is no JSON has no value; whoever asked says where it stands.
    return undefined;
  }
};

const tagsOf = (value: unknown): readonly string[] => {
  if (!Array.isArray(value)) return [];
  const tags = (value as readonly unknown[]).filter((tag) => typeof tag === "string");
  const named = tags.map((tag) => nameOf(tag, 100)).filter((tag) => tag !== "");
  // Two are the import's own.
  return [...new Set(named)].slice(0, memoryTagsMax - 2);
};

const read = (line: Line): readonly Imported[] => {
  if (line.text === undefined) return [tooLong(line)];
  if (line.text.trim() === "") return [];
  const value = parseJson(line.text);
  const at = `line ${line.number}`;
  const fields = typeof value === "string" ? { text: value } : value;
  if (!isObject(fields)) return [{ type: "passed over", at, why: "neither an object nor a text" }];
  const text = fields["text"] ?? fields["content"];
  if (typeof text !== "string" || text.trim() === "") {
    return [{ type: "passed over", at, why: `"text" is missing, empty or no text` }];
  }
  const time = timeNames.map((name) => jsonMs(fields[name])).find((ms) => ms !== undefined);
  const { id } = fields;
  const isNamed = typeof id === "string" || typeof id === "number";
  return [
    {
      type: "item",
      text: text.toWellFormed(),
      mediaType: "text/plain",
      at: isNamed ? nameOf(String(id)) : at,
      ...(time === undefined ? {} : { saidMs: time }),
      tags: tagsOf(fields["tags"]),
    },
  ];
};

export class JsonLinesReader implements ItemReader {
  readonly #lines = new Lines();

  push(text: string): readonly Imported[] {
    return this.#lines.push(text).flatMap(read);
  }

  end(): readonly Imported[] {
    return this.#lines.end().flatMap(read);
  }
}
