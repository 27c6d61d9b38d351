/**
 * Chats that WhatsApp exports as text: a line begins a message with its date, its time and who wrote it;
 * lines without go on with it. Android: `12/03/2024, 14:05 - Anna: text`; iOS: `[12.03.24, 14:05:11] Anna:
 * text`. The dates have no zone and are taken as UTC. Whether day or month comes first is seen from the
 * first number above 12, before any message is read (`DateOrder`); where there is none, the day.
 */
import { type Line, Lines, tooLong } from "./lines.ts";
import { type Imported, type ItemReader, nameOf, partsOf } from "./reader.ts";
import { msOf } from "./times.ts";

const begin =
  /^[\u200e\u200f]?\[?(\d{1,4})[./-](\d{1,2})[./-](\d{1,4}),?\s+(\d{1,2})[:.](\d\d)(?:[:.](\d\d))?(?:\s?([AaPp])\.?\s?[Mm]\.?)?(?:\]\s?|\s+-\s+)[\u200e\u200f]?(.*)$/u;
const writer = /^([^:\n]{1,100}):\s(.*)$/u;

export type DateOrder = "day first" | "month first";

/** Looks through the beginnings of messages for a number that can be no month. */
export class DateOrderFinder {
  readonly #lines = new Lines();
  #order: DateOrder | undefined;

  push(text: string): void {
    if (this.#order !== undefined) return;
    for (const line of this.#lines.push(text)) {
      const [, first, second] = begin.exec(line.text?.slice(0, 64) ?? "") ?? [];
      if (first === undefined || first.length > 2) continue;
      if (Number(first) > 12) this.#order ??= "day first";
      else if (Number(second) > 12) this.#order ??= "month first";
    }
  }

  get order(): DateOrder {
    return this.#order ?? "day first";
  }
}

const fullYear = (digits: string): number =>
  digits.length <= 2 ? 2000 + Number(digits) : Number(digits);

const timeOf = (match: RegExpExecArray, order: DateOrder): number | undefined => {
  const [, a = "", b = "", c = "", hour = "", minute = "", second = "0", half] = match;
  const isYearFirst = a.length === 4;
  const [day, month] = isYearFirst ? [c, b] : order === "day first" ? [a, b] : [b, a];
  const isAfternoon = half?.toLowerCase() === "p";
  const hours = half === undefined ? Number(hour) : (Number(hour) % 12) + (isAfternoon ? 12 : 0);
  return msOf({
    year: fullYear(isYearFirst ? a : c),
    month: Number(month),
    day: Number(day),
    hour: hours,
    minute: Number(minute),
    second: Number(second),
  });
};

export class WhatsAppReader implements ItemReader {
  readonly #lines = new Lines();
  readonly #order: DateOrder;
  #message:
    | { readonly at: string; readonly saidMs: number | undefined; lines: string[] }
    | undefined;
  #length = 0;

  constructor(order: DateOrder) {
    this.#order = order;
  }

  push(text: string): readonly Imported[] {
    return this.#lines.push(text).flatMap((line) => this.#line(line));
  }

  end(): readonly Imported[] {
    const last = this.#lines.end().flatMap((line) => this.#line(line));
    return [...last, ...this.#flush()];
  }

  #line(line: Line): readonly Imported[] {
    if (line.text === undefined) return [tooLong(line)];
    const match = begin.exec(line.text);
    if (match !== null) {
      const before = this.#flush();
      this.#message = {
        at: `line ${line.number}`,
        saidMs: timeOf(match, this.#order),
        lines: [match[8] ?? ""],
      };
      return before;
    }
    if (this.#message === undefined) {
      if (line.text.trim() === "") return [];
      return [{ type: "passed over", at: `line ${line.number}`, why: "it belongs to no message" }];
    }
    this.#message.lines.push(line.text);
    this.#length += line.text.length;
    return this.#length > 65_536 ? this.#part() : [];
  }

  /** A message without end is given in parts as it comes. */
  #part(): readonly Imported[] {
    const message = this.#message;
    const items = this.#flush();
    this.#message = message === undefined ? undefined : { ...message, lines: [] };
    return items;
  }

  #flush(): readonly Imported[] {
    const message = this.#message;
    this.#message = undefined;
    this.#length = 0;
    if (message === undefined) return [];
    const { at, saidMs } = message;
    const from = writer.exec(message.lines[0] ?? "")?.[1];
    return partsOf(message.lines.join("\n")).map((text) => ({
      type: "item",
      text,
      mediaType: "text/plain",
      at,
      ...(saidMs === undefined ? {} : { saidMs }),
      tags: from === undefined ? [] : [`from:${nameOf(from, 100)}`],
    }));
  }
}
