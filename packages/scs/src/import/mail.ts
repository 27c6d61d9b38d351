/**
 * Mails, as somebody else split and decoded them: a line of JSON each, `{at, from, id, subject, text, ms?}`, or
 * `{at, why}` of one that could not be read. A mail is one memory, or several where its text is long; each
 * carries who wrote it, the subject and the id as tags, and when it was sent.
 */
import { memoryTimeMsMax } from "../limits.ts";
import { type Line, Lines, tooLong } from "./lines.ts";
import { type Imported, type ItemReader, nameOf, partsOf } from "./reader.ts";

/** Characters of a tag before its value leave room for that. */
const tagCharsMax = 100;

interface Mail {
  readonly at?: unknown;
  readonly why?: unknown;
  readonly from?: unknown;
  readonly id?: unknown;
  readonly subject?: unknown;
  readonly text?: unknown;
  readonly ms?: unknown;
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

const tagOf = (kind: string, value: unknown): readonly string[] => {
  const name = nameOf(textOf(value), tagCharsMax);
  return name === "" ? [] : [`${kind}:${name}`];
};

const itemsOf = (mail: Mail): readonly Imported[] => {
  const at = nameOf(textOf(mail.at));
  if (typeof mail.why === "string") return [{ type: "passed over", at, why: nameOf(mail.why) }];
  const subject = nameOf(textOf(mail.subject), 1000);
  const text = textOf(mail.text);
  if (text.trim() === "") return [{ type: "passed over", at, why: "it has no text" }];
  const { ms } = mail;
  const isSaid = typeof ms === "number" && Number.isInteger(ms) && ms >= 0 && ms <= memoryTimeMsMax;
  const tags = [
    ...tagOf("from", mail.from),
    ...tagOf("subject", subject),
    ...tagOf("message-id", mail.id),
  ];
  return partsOf(subject === "" ? text : `${subject}\n\n${text}`).map((part) => ({
    type: "item",
    text: part,
    mediaType: "text/plain",
    at,
    ...(isSaid ? { saidMs: ms } : {}),
    tags,
  }));
};

export class MailReader implements ItemReader {
  readonly #lines = new Lines();

  push(text: string): readonly Imported[] {
    return this.#lines.push(text).flatMap((line) => this.#line(line));
  }

  end(): readonly Imported[] {
    return this.#lines.end().flatMap((line) => this.#line(line));
  }

  #line(line: Line): readonly Imported[] {
    if (line.text === undefined) return [tooLong(line)];
    try {
      const mail: unknown = JSON.parse(line.text);
      if (typeof mail === "object" && mail !== null) return itemsOf(mail);
    } catch {
      // Falls through.
    }
    return [{ type: "passed over", at: `line ${line.number}`, why: "it is no mail" }];
  }
}
