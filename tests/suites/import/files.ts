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
