/** Files of other programs, made from a seed: one of each kind that is imported, of a given size. */
import { closeSync, openSync, writeSync } from "node:fs";
import type { ImportKind } from "@ioi/scs";
import type { SeededRandom } from "@ioi/base";

export interface MadeFile {
  readonly kind: ImportKind;
  readonly name: string;
  /** Words that stand once in the file, by where. */
  readonly marks: readonly string[];
}

const words = "gate key garden roof cellar ladder rain bread river stone winter letter".split(" ");

const sentence = (random: SeededRandom): string => {
  const count = 6 + random.below(12);
  const said = Array.from({ length: count }, () => words[random.below(words.length)] ?? "");
  return `${said.join(" ")}${random.below(1000)}.`;
};

const paragraph = (random: SeededRandom): string =>
  Array.from({ length: 3 + random.below(4) }, () => sentence(random)).join(" ");

const iso = (n: number): string => new Date(1_600_000_000_000 + n * 60_000).toISOString();

/** The n-th part of a file, with a word of its own. */
type Part = (n: number, mark: string, random: SeededRandom) => string;

const quotedPrintable = (bytes: Uint8Array): string =>
  [...bytes]
    .map((byte) =>
      byte === 10 || (byte >= 32 && byte < 127 && byte !== 0x3d && byte !== 0x46)
        ? String.fromCharCode(byte)
        : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    )
    .join("")
    .replaceAll(/[^\n]{70}(?=[^\n])/g, (piece) => {
      const cut = /=.?$/.exec(piece)?.index ?? piece.length;
      return `${piece.slice(0, cut)}=\n${piece.slice(cut)}`;
    });

const parts: Readonly<Record<Exclude<ImportKind, "pdf">, Part>> = {
  markdown: (n, mark, random) =>
    `${n % 5 === 0 ? "#" : "##"} Part ${n}\n\n${mark} ${paragraph(random)}\n\n`,
  text: (_n, mark, random) => `${mark} ${paragraph(random)}\n\n`,
  jsonl: (n, mark, random) =>
    `${JSON.stringify({ id: n, text: `${mark} ${paragraph(random)}`, at: iso(n) })}\n`,
  conversations: (n, mark, random) => {
    const said = [`${mark} ${sentence(random)}`, paragraph(random)];
    const conversation =
      n % 2 === 0
        ? {
            name: `Talk ${n}`,
            chat_messages: said.map((text, at) => ({
              sender: at === 0 ? "human" : "assistant",
              text,
              created_at: iso(n),
            })),
          }
        : {
            title: `Talk ${n}`,
            current_node: "1",
            mapping: Object.fromEntries(
              said.map((text, at) => [
                `${at}`,
                {
                  parent: at === 0 ? null : "0",
                  message: {
                    author: { role: at === 0 ? "user" : "assistant" },
                    create_time: 1_600_000_000 + n,
                    content: { content_type: "text", parts: [text] },
                  },
                },
              ]),
            ),
          };
    return `${n === 0 ? "[" : ","}\n${JSON.stringify(conversation)}`;
  },
  // In turn plain, quoted and in Base64; one line of each looks like the next mail's beginning.
  mbox: (n, mark, random) => {
    const text = `${mark} ${sentence(random)}\n\nFrom here on: Grüße.\n${paragraph(random)}\n`;
    const head = [
      `From anna@example.org Sat Jan  3 01:05:34 2024`,
      `From: =?utf-8?Q?J=C3=BCrgen?= <j${n % 7}@example.org>`,
      `Subject: Mail ${n}`,
      `Message-ID: <${n}@example.org>`,
      `Date: ${new Date(1_600_000_000_000 + n * 60_000).toUTCString()}`,
    ];
    const bytes = Buffer.from(text, n % 3 === 1 ? "latin1" : "utf8");
    const [encoding, body] =
      n % 3 === 0
        ? ["8bit", text.replaceAll(/^(>*From )/gm, ">$1")]
        : n % 3 === 1
          ? ["quoted-printable", quotedPrintable(bytes)]
          : ["base64", (bytes.toString("base64").match(/.{1,76}/g) ?? []).join("\n")];
    const charset = n % 3 === 1 ? "iso-8859-1" : "utf-8";
    const type = `Content-Type: text/plain; charset=${charset}`;
    return `${[...head, type, `Content-Transfer-Encoding: ${encoding}`].join("\n")}\n\n${body}\n\n`;
  },
  whatsapp: (n, mark, random) =>
    `${1 + (n % 28)}/3/24, 1${n % 10}:05 - ${n % 2 === 0 ? "Anna" : "Ben"}: ${mark} ${sentence(random)}\n` +
    `${sentence(random)}\n`,
};

const names: Readonly<Record<ImportKind, string>> = {
  markdown: "notes.md",
  text: "notes.txt",
  jsonl: "notes.jsonl",
  pdf: "paper.pdf",
  conversations: "conversations.json",
  whatsapp: "WhatsApp Chat.txt",
  mbox: "mails.mbox",
};

/** A PDF of one page for every line, by hand: plain text in a font that every reader has. */
const pdfOf = (lines: readonly string[]): string => {
  const fontAt = 3;
  const page = (at: number): number => fontAt + 1 + 2 * at;
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    `<< /Type /Pages /Kids [${lines.map((_, at) => `${page(at)} 0 R`).join(" ")}] /Count ${lines.length} >>`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ...lines.flatMap((line, at) => {
      const content = `BT /F1 9 Tf 20 700 Td (${line}) Tj ET`;
      return [
        `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 2000 800] /Contents ${page(at) + 1} 0 R ` +
          `/Resources << /Font << /F1 ${fontAt} 0 R >> >> >>`,
        `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
      ];
    }),
  ];
  let text = "%PDF-1.4\n";
  const offsets = objects.map((object, at) => {
    const offset = text.length;
    text += `${at + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const xref = text.length;
  const entries = offsets.map((offset) => `${`${offset}`.padStart(10, "0")} 00000 n \n`).join("");
  return (
    `${text}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}` +
    `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${xref}\n%%EOF\n`
  );
};

/** Writes a file of at least `bytes` bytes; a PDF has forty pages. */
export const makeFile = (
  kind: ImportKind,
  folder: string,
  bytes: number,
  random: SeededRandom,
): MadeFile => {
  const name = names[kind];
  const marks: string[] = [];
  const markOf = (n: number): string => `mark${n}${kind}`;
  const file = openSync(`${folder}/${name}`, "wx");
  try {
    if (kind === "pdf") {
      for (let n = 0; n < 40; n++) marks.push(markOf(n));
      writeSync(file, pdfOf(marks.map((mark) => `${mark} ${paragraph(random)}`)));
      return { kind, name, marks };
    }
    let written = 0;
    for (let n = 0; written < bytes; n++) {
      // Not in each: texts of people do not have a new word every time.
      const isMarked = n % 97 === 0;
      if (isMarked) marks.push(markOf(n));
      written += writeSync(file, parts[kind](n, isMarked ? markOf(n) : "also", random));
    }
    if (kind === "conversations") writeSync(file, "\n]\n");
    return { kind, name, marks };
  } finally {
    closeSync(file);
  }
};
