/**
 * The text of PDFs, in a thread that can be ended at any moment: what a file makes PDF.js do is not
 * known before it is done. Nothing is fetched, evaluated or drawn.
 */
import { parentPort } from "node:worker_threads";
import { getDocumentProxy } from "unpdf";
import type { PdfAnswer, PdfQuestion } from "./pdf.ts";

/** PDF.js tells its errors by name. */
const codeOf = (error: unknown): "encrypted" | "damaged" =>
  error instanceof Error && error.name === "PasswordException" ? "encrypted" : "damaged";

const extract = async ({ bytes, pagesMax, charsMax }: PdfQuestion): Promise<PdfAnswer> => {
  const document = await getDocumentProxy(bytes, {
    useSystemFonts: false,
    disableFontFace: true,
    disableAutoFetch: true,
    disableStream: true,
    stopAtErrors: false,
    maxImageSize: 0,
    verbosity: 0,
  });
  const pages = document.numPages;
  const texts: string[] = [];
  let chars = 0;
  let read = 0;
  while (read < Math.min(pages, pagesMax) && chars <= charsMax) {
    read += 1;
    const page = await document.getPage(read);
    const { items } = await page.getTextContent();
    const text = items
      .map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : ""))
      .join("");
    page.cleanup();
    texts.push(text);
    chars += text.length;
  }
  const all = texts.join("\n\n").toWellFormed();
  return {
    type: "text",
    text: all.slice(0, charsMax).toWellFormed(),
    pages,
    more: read < pages || all.length > charsMax,
  };
};

parentPort?.on("message", (question: PdfQuestion) => {
  void extract(question)
    .catch((error: unknown): PdfAnswer => ({ type: codeOf(error) }))
    .then((answer) => parentPort?.postMessage(answer));
});
