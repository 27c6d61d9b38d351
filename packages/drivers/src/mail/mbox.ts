/**
 * A mailbox as text that an importer reads: for each mail one line of JSON with who wrote it, when, its
 * id, its subject and its text, as `MailReader` of `@ioi/scs` takes it.
 *
 * Source: RFC 4155; a mail begins with a line "From " at the start or after an empty line. Of lines that
 * were quoted (`>From `, mboxrd) one `>` is taken. MIME is decoded by postal-mime: of its parts the
 * text, never an attachment; a mail that has only HTML gives the words of that.
 *
 * Bounds: one mail in memory, `mailBytesMax`; a longer one is reported. MIME nests `mailNestingMax` deep.
 */
import { createReadStream } from "node:fs";
import { OperationError } from "@ioi/base";
import type { Email } from "postal-mime";
import { wordsOf } from "./html-words.ts";
import { mailBytesMax, mailHeaderBytesMax, mailNestingMax } from "../limits.ts";

/** One mail's bytes, from its headers on; undefined: longer than the bound. */
interface Mail {
  readonly number: number;
  readonly bytes: Buffer | undefined;
}

const begins = Buffer.from("From ");
const newline = 10;

const isBegin = (line: Buffer): boolean => line.subarray(0, begins.length).equals(begins);

const isQuoted = (line: Buffer): boolean => {
  let at = 0;
  while (line[at] === 0x3e) at++;
  return at > 0 && isBegin(line.subarray(at));
};

const isBlank = (line: Buffer): boolean =>
  (line.length === 1 && line[0] === newline) ||
  (line.length === 2 && line[0] === 13 && line[1] === newline);

/** A machine: bytes in, in whatever pieces; mails out. */
export class MboxSplitter {
  /** Of the line that has no end yet. */
  #line: Buffer[] = [];
  #lineBytes = 0;
  #mail: Buffer[] | undefined;
  #bytes = 0;
  #number = 0;
  #isAfterBlank = true;

  push(piece: Buffer): readonly Mail[] {
    const mails: Mail[] = [];
    let from = 0;
    for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, from)) {
      this.#hold(piece.subarray(from, at + 1));
      mails.push(...this.#endLine());
      from = at + 1;
    }
    this.#hold(piece.subarray(from));
    return mails;
  }

  end(): readonly Mail[] {
    return [...(this.#lineBytes === 0 ? [] : this.#endLine()), ...this.#flush()];
  }

  #hold(part: Buffer): void {
    this.#lineBytes += part.length;
    // A copy: the piece is used again by whoever reads.
    if (this.#lineBytes <= mailBytesMax) this.#line.push(Buffer.from(part));
  }

  #endLine(): readonly Mail[] {
    const isLong = this.#lineBytes > mailBytesMax;
    const line = Buffer.concat(this.#line);
    this.#bytes += this.#lineBytes;
    this.#line = [];
    this.#lineBytes = 0;
    const isNext = !isLong && this.#isAfterBlank && isBegin(line);
    this.#isAfterBlank = isBlank(line);
    if (isNext) {
      const before = this.#flush();
      this.#mail = [];
      this.#bytes = 0;
      return before;
    }
    if (this.#mail === undefined) {
      throw new OperationError("E_SCS_IMPORT", "it does not begin as a mailbox does, with From");
    }
    if (this.#bytes > mailBytesMax) this.#mail = [];
    else this.#mail.push(isQuoted(line) ? line.subarray(1) : line);
    return [];
  }

  #flush(): readonly Mail[] {
    const mail = this.#mail;
    this.#mail = undefined;
    if (mail === undefined) return [];
    const bytes = this.#bytes > mailBytesMax ? undefined : Buffer.concat(mail);
    return [{ number: ++this.#number, bytes }];
  }
}

const nameOf = ({ from, sender }: Email): string => {
  const address = from ?? sender;
  if (address?.address === undefined) return address?.name ?? "";
  return address.name === "" ? address.address : `${address.name} <${address.address}>`;
};

const textOf = ({ text, html }: Email): string => {
  const said = text?.trim() ?? "";
  return said !== "" ? said : wordsOf(html ?? "");
};

/** As `MailReader` reads it. */
const lineOf = async ({ number, bytes }: Mail): Promise<string> => {
  const at = `mail ${number}`;
  const passedOver = (why: string): string => `${JSON.stringify({ at, why })}\n`;
  if (bytes === undefined) return passedOver(`longer than ${mailBytesMax} bytes`);
  const { default: PostalMime } = await import("postal-mime");
  let mail: Email;
  try {
    mail = await PostalMime.parse(bytes, {
      maxNestingDepth: mailNestingMax,
      maxHeadersSize: mailHeaderBytesMax,
    });
  } catch (error) {
    return passedOver(error instanceof Error ? error.message : "it is no mail");
  }
  const text = textOf(mail);
  if (text === "") return passedOver("it has no text");
  const { date, messageId, subject } = mail;
  const ms = date === undefined ? Number.NaN : Date.parse(date);
  return `${JSON.stringify({
    at,
    from: nameOf(mail),
    id: messageId ?? "",
    subject: subject ?? "",
    text,
    ...(Number.isNaN(ms) || ms < 0 ? {} : { ms }),
  })}\n`;
};

/** What a mailbox holds, as text for its importer. */
export async function* mailTexts(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const splitter = new MboxSplitter();
  for await (const piece of createReadStream(path, { signal }) as AsyncIterable<Buffer>) {
    for (const mail of splitter.push(piece)) yield await lineOf(mail);
  }
  for (const mail of splitter.end()) yield await lineOf(mail);
}
