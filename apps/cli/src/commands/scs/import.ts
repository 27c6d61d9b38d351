/**
 * `ioi scs import`: files of other programs become memories. A file is read twice, first for its hash,
 * then for what it says, a piece at a time; what an interrupted import stored is not stored again.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, resolve } from "node:path";
import { exitCodes, OperationError } from "@ioi/base";
import { limits } from "@ioi/drivers";
import { mailTexts } from "@ioi/drivers/mail";
import { PdfReader } from "@ioi/drivers/pdf";
import {
  DateOrderFinder,
  importInto,
  type ImportKind,
  importKinds,
  type ImportReport,
  kindOfName,
  readerOf,
} from "@ioi/scs";
import type { CommandContext, Handler } from "../../context.ts";
import { visible } from "../../io.ts";
import { readBounded } from "../../kernel/folder.ts";
import { usage } from "../../report.ts";
import { type FileOptions, openMemories, reporter } from "./open.ts";

interface ImportOptions extends FileOptions {
  readonly kind?: string;
  readonly tag?: readonly string[];
  readonly dates?: string;
}

interface Source {
  readonly path: string;
  readonly name: string;
  readonly kind: ImportKind;
}

const sourceOf = (context: CommandContext, file: string, kind: string | undefined): Source => {
  const named = kind ?? kindOfName(basename(file));
  const found = importKinds.find((each) => each === named);
  if (found === undefined) {
    throw usage(
      kind === undefined ? `${file}: its name does not say what it is` : `--kind is not ${kind}`,
      `--kind ${importKinds.join("|")}`,
    );
  }
  return { path: resolve(context.io.cwd, file), name: basename(file), kind: found };
};

async function* decoded(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const piece of createReadStream(path, { signal }) as AsyncIterable<Buffer>) {
      yield decoder.decode(piece, { stream: true });
    }
    yield decoder.decode();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TypeError)) throw error;
    throw new OperationError("E_SCS_IMPORT", `${path} is no text in UTF-8`, { cause: error });
  }
}

async function* whole(text: string): AsyncGenerator<string> {
  yield await Promise.resolve(text);
}

const pdfText = async ({ path }: Source, signal: AbortSignal): Promise<string> => {
  await using reader = new PdfReader();
  const answer = await reader.read(readBounded(path, limits.pdfBytesMax), signal);
  if (answer.type !== "text") {
    throw new OperationError("E_SCS_IMPORT", `${path}: the PDF is ${answer.type}`);
  }
  if (answer.more) {
    const bounds = `${limits.pdfPagesMax} pages or ${limits.pdfTextCharsMax} characters`;
    throw new OperationError("E_SCS_IMPORT", `${path}: it has more than ${bounds}`);
  }
  return answer.text;
};

const textsOf = async (source: Source, signal: AbortSignal): Promise<AsyncIterable<string>> => {
  if (source.kind === "pdf") return whole(await pdfText(source, signal));
  return (source.kind === "mbox" ? mailTexts : decoded)(source.path, signal);
};

interface Looked {
  readonly hash: Uint8Array;
  readonly monthFirst: boolean;
}

/** The first time through: what the content is called by, and how it writes dates. */
const lookAt = async ({ path, kind }: Source, signal: AbortSignal): Promise<Looked> => {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { signal }) as AsyncIterable<Buffer>) {
    hash.update(piece);
  }
  const finder = new DateOrderFinder();
  if (kind === "whatsapp") for await (const text of decoded(path, signal)) finder.push(text);
  return { hash: hash.digest(), monthFirst: finder.order === "month first" };
};

const datesOf = (given: string | undefined, { monthFirst }: Looked) => {
  if (given !== undefined && given !== "dmy" && given !== "mdy") {
    throw usage(`--dates takes dmy or mdy, not "${given}"`);
  }
  return (given === undefined ? monthFirst : given === "mdy") ? "month first" : "day first";
};

export const importFiles: Handler<ImportOptions> = async (context, { args, options }) => {
  const [file, ...paths] = args;
  const { output, signal } = context;
  const sources = paths.map((path) => sourceOf(context, path, options.kind));
  const { substrate } = await openMemories(context, file, "write", options);
  await using _open = substrate;
  const done: (ImportReport & { readonly file: string; readonly kind: ImportKind })[] = [];
  for (const source of sources) {
    const looked = await lookAt(source, signal);
    const report = reporter(context);
    const order = datesOf(options.dates, looked);
    const texts = await textsOf(source, signal);
    const from = {
      name: source.name,
      hash: looked.hash,
      kind: source.kind,
      reader: readerOf(source.kind, order),
      texts,
      tags: options.tag ?? [],
    };
    const imported = await importInto(substrate, from, {
      signal,
      progress: ({ memories, before }) =>
        report(() => `${source.name}: ${memories} memories, ${before} of them there before`),
    });
    done.push({ ...imported, file: source.name, kind: source.kind });
    const { memories, before, passedOver, reports } = imported;
    output.line(`${source.name}: ${memories - before} memories added, ${before} were there`);
    if (passedOver > 0) output.line(`  ${passedOver} passed over`);
    for (const { at, why } of reports) output.line(`    ${visible(at)}: ${why}`);
  }
  output.value({
    schema: "ioi.scs-import/1",
    files: done.map(({ reports, ...rest }) => ({
      ...rest,
      reports: reports.map(({ at, why }) => ({ at, why })),
    })),
  });
  return exitCodes.done;
};
