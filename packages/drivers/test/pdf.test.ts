/** The text of PDFs: real ones, by another library; wrong and hostile ones, by hand. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, describe, test } from "node:test";
import { deflateSync } from "node:zlib";
import { PDFDocument, StandardFonts } from "pdf-lib";
import { PdfReader } from "../src/pdf/pdf.ts";
import { Session } from "./support.ts";

const pdfOf = async (pages: readonly string[]): Promise<Uint8Array> => {
  const document = await PDFDocument.create();
  const font = await document.embedFont(StandardFonts.Helvetica);
  for (const text of pages) {
    document.addPage().drawText(text, { x: 50, y: 700, size: 12, lineHeight: 14, font });
  }
  return await document.save();
};

/** A document of one page whose content stream is given, with whatever stands in its dictionary. */
const handmade = (content: Uint8Array, dictionary = "", more = ""): Uint8Array => {
  const parts: Buffer[] = [Buffer.from("%PDF-1.4\n")];
  const offsets: number[] = [];
  let at = parts[0]?.length ?? 0;
  const add = (bytes: Buffer): void => {
    parts.push(bytes);
    at += bytes.length;
  };
  const objects = [
    Buffer.from("<< /Type /Catalog /Pages 2 0 R >>"),
    Buffer.from("<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
    Buffer.from(
      "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
    ),
    Buffer.concat([
      Buffer.from(`<< /Length ${content.length} ${dictionary} >>\nstream\n`),
      content,
      Buffer.from("\nendstream"),
    ]),
    Buffer.from("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"),
  ];
  for (const [index, body] of objects.entries()) {
    offsets.push(at);
    add(Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), body, Buffer.from("\nendobj\n")]));
  }
  const xref = at;
  const rows = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  add(
    Buffer.from(
      `xref\n0 6\n0000000000 65535 f \n${rows}trailer\n<< /Size 6 /Root 1 0 R ${more} >>\nstartxref\n${xref}\n%%EOF\n`,
    ),
  );
  return Buffer.concat(parts);
};

const shown = (text: string): Buffer => Buffer.from(`BT /F1 12 Tf 50 700 Td (${text}) Tj ET`);
const { signal } = new AbortController();

const read = async (bytes: Uint8Array, args: Record<string, number> = {}) => {
  await using s = new Session();
  fs.writeFileSync(s.path("a.pdf"), bytes);
  const { outcome, result, message } = await s.run("fs::read", {
    path: s.path("a.pdf"),
    as: "text",
    ...args,
  });
  const content = result["content"];
  return {
    status: outcome?.status,
    code: outcome?.code,
    message,
    text: content instanceof Uint8Array ? Buffer.from(content).toString("utf8") : undefined,
    pages: result["pages"],
    truncated: result["truncated"],
    evidence: outcome?.evidence,
  };
};

describe("the text of a PDF", () => {
  test("is read page by page, line by line", async () => {
    const found = await read(
      await pdfOf(["Invoice 7\nDate: 2026-01-15\nTotal: EUR 104.50", "Page two: Grüße"]),
    );
    assert.equal(found.text, "Invoice 7\nDate: 2026-01-15\nTotal: EUR 104.50\n\nPage two: Grüße");
    assert.deepEqual([found.status, found.pages, found.truncated], ["confirmed", 2, false]);
    assert.equal(found.evidence?.["pages"], "2");
  });

  test("comes in pieces that end between characters", async () => {
    const bytes = await pdfOf(["äöü"]);
    assert.deepEqual((await read(bytes, { length: 3 })).text, "ä");
    const rest = await read(bytes, { offset: 3 });
    assert.deepEqual([rest.text, rest.truncated], ["ü", false]);
  });

  test("of a long document says that there is more", async () => {
    const found = await read(await pdfOf(Array.from({ length: 502 }, (_, n) => `p${n}`)));
    assert.deepEqual([found.status, found.pages, found.truncated], ["confirmed", 502, true]);
    assert.match(found.text ?? "", /p499$/);
  });

  test("a text file is its own text; other bytes are none", async () => {
    assert.equal((await read(Buffer.from("date;total\n1;2\n"))).text, "date;total\n1;2\n");
    assert.equal((await read(Uint8Array.of(0xff, 0xfe, 0x00))).code, "E_FS_NOT_TEXT");
  });

  test("without asking for text the bytes come as they are", async () => {
    await using s = new Session();
    const bytes = await pdfOf(["x"]);
    fs.writeFileSync(s.path("a.pdf"), bytes);
    const plain = await s.run("fs::read", { path: s.path("a.pdf") });
    assert.deepEqual(Buffer.from(plain.result["content"] as Uint8Array), Buffer.from(bytes));
  });

  test("another form than text is not known", async () => {
    await using s = new Session();
    fs.writeFileSync(s.path("a.pdf"), "x");
    const prepared = await s.prepare("fs::read", { path: s.path("a.pdf"), as: "image" });
    assert.equal(prepared, "E_ARGUMENTS_INVALID");
  });
});

describe("a PDF that is wrong", () => {
  test("the control: the same by hand, and right, is read", async () => {
    assert.equal((await read(handmade(shown("fine")))).text, "fine");
    const packed = deflateSync(shown("packed"));
    assert.equal((await read(handmade(packed, "/Filter /FlateDecode"))).text, "packed");
  });

  test("encrypted: said so", async () => {
    const encrypt =
      "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 " +
      `/O <${"28".repeat(32)}> /U <${"00".repeat(32)}> >> /ID [<00> <00>]`;
    assert.equal((await read(handmade(shown("x"), "", encrypt))).code, "E_FS_PDF_ENCRYPTED");
  });

  test("without text: said so", async () => {
    assert.equal((await read(handmade(Buffer.from("0 0 m 9 9 l S")))).code, "E_FS_PDF_NO_TEXT");
  });

  test("rubbish, a cut one and one that loops in itself end in time", async () => {
    const good = Buffer.from(await pdfOf(["x".repeat(200)]));
    const cases: readonly Uint8Array[] = [
      Buffer.from("%PDF-1.7\n"),
      Buffer.concat([Buffer.from("%PDF-1.7\n"), Buffer.alloc(100_000, 0x41)]),
      good.subarray(0, 60),
      Buffer.from(
        "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 1 0 R /Kids [1 0 R] >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF",
      ),
      Buffer.from(`%PDF-1.4\n${"[".repeat(200_000)}`),
    ];
    for (const bytes of cases) {
      const { code, status } = await read(bytes);
      assert.equal(status, "refused");
      assert.match(code ?? "", /^E_FS_PDF_(DAMAGED|NO_TEXT|BOUND)$/);
    }
  });
});

describe("a PDF that takes too much", () => {
  const readers: PdfReader[] = [];
  const reader = (bounds: { msMax?: number; memoryBytesMax?: number }): PdfReader => {
    const made = new PdfReader({ msMax: 15_000, memoryBytesMax: 1e9, ...bounds });
    readers.push(made);
    return made;
  };
  after(async () => {
    for (const each of readers) await each[Symbol.asyncDispose]();
  });

  // 80 kB that become 35 MB of operators.
  let made: Uint8Array | undefined;
  const bomb = (): Uint8Array => {
    const block = Buffer.from("BT /F1 12 Tf (x) Tj ET\n".repeat(1_500_000));
    made ??= handmade(deflateSync(block), "/Filter /FlateDecode");
    return Uint8Array.from(made);
  };

  test("memory: its thread is ended, and the next file is read", async () => {
    const pdf = reader({ memoryBytesMax: 60_000_000 });
    const read = await pdf.read(bomb(), signal);
    assert.equal(read.type, "too large");
    const next = await pdf.read(await pdfOf(["still here"]), signal);
    assert.equal(next.type === "text" && next.text, "still here");
  });

  test("time: its thread is ended", async () => {
    const pdf = reader({ msMax: 30 });
    assert.equal((await pdf.read(bomb(), signal)).type, "too slow");
  });

  test("a stop ends it at once", async () => {
    const pdf = reader({});
    const abort = new AbortController();
    const stopped = new Error("stopped");
    const reading = pdf.read(bomb(), abort.signal);
    setImmediate(() => abort.abort(stopped));
    await assert.rejects(reading, (error) => error === stopped);
  });
});
