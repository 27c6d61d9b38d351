/** `ioi scs search`, `prove` and `verify`: what a memory file is asked. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { assert, exitCodes, fromHex, toHex, utf8Decode } from "@ioi/base";
import { checkpointBytesMax, verifyCheckpoint } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import type { RecallQuery, Recalled } from "@ioi/scs";
import { recallReport, type RecallTrust, type RecallVerdict, verifyRecall } from "@ioi/verifier";
import type { CommandContext, Handler } from "../../context.ts";
import { visible } from "../../io.ts";
import { readBounded } from "../../kernel/folder.ts";
import { proofFileBytesMax } from "../../limits.ts";
import { failWith, usage } from "../../report.ts";
import { keyOf } from "../receipts.ts";
import { isoTime } from "../../times.ts";
import { byWordsOnly, type FileOptions, openMemories } from "./open.ts";
import { checkPage, writePage } from "./page.ts";

export interface QueryOptions extends FileOptions {
  readonly k: number;
  readonly by?: "auto" | "words" | "vectors";
  readonly ef?: number;
  readonly from?: string;
  readonly to?: string;
  readonly source?: string;
  readonly tag?: readonly string[];
  readonly origin?: readonly string[];
  readonly asOf?: string;
}

/** A moment as a person writes one; without a zone, UTC. */
export const timeOf = (option: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const isDate = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.test(text);
  const withZone = /T|\s/.test(text) && !/(Z|[+-]\d\d:?\d\d)$/.test(text) ? `${text}Z` : text;
  const ms = isDate ? Date.parse(withZone) : Number.NaN;
  if (Number.isNaN(ms) || ms < 0) {
    throw usage(`${option} takes a day or a moment, as 2024-05-01 or 2024-05-01T10:00Z`);
  }
  return ms;
};

const asOfOf = (text: string | undefined): RecallQuery["asOf"] => {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return { commit: Number(text) };
  return { ms: timeOf("--as-of", text) ?? 0 };
};

/** Nothing where nothing is asked for: a search over all of it is the one that is proved. */
const filterOf = (options: QueryOptions): RecallQuery["filter"] => {
  const { from, to, source, tag: tags, origin: origins } = options;
  if ([from, to, source, tags, origins].every((each) => each === undefined)) return undefined;
  return { fromMs: timeOf("--from", from), toMs: timeOf("--to", to), source, tags, origins };
};

const queryOf = (text: string, options: QueryOptions): RecallQuery => ({
  text,
  k: options.k,
  by: options.by,
  ef: options.ef,
  filter: filterOf(options),
  asOf: asOfOf(options.asOf),
});

const rootsOf = (recalled: Recalled) => ({
  commit: recalled.commit,
  logRoot: toHex(recalled.logRoot),
  indexRoot: recalled.indexRoot === undefined ? null : toHex(recalled.indexRoot),
  lexicalRoot: recalled.lexicalRoot === undefined ? null : toHex(recalled.lexicalRoot),
});

const valueOf = (recalled: Recalled) => ({
  answers: recalled.answers.map(({ id, rank, words, vector, memory, nearDuplicates }) => ({
    id,
    rank,
    words: words ?? null,
    vector: vector ?? null,
    text: memory.text,
    source: memory.source,
    origin: memory.origin,
    tags: memory.tags,
    atMs: memory.atMs,
    saidMs: memory.saidMs ?? null,
    nearDuplicates,
  })),
  vectorsLost: recalled.vectorsLost ?? null,
  ...rootsOf(recalled),
});

/** Never silently: where vectors are damaged, words are all that answered. */
const noteLoss = (context: CommandContext, { vectorsLost }: Recalled): void => {
  if (vectorsLost === undefined) return;
  const next = "./ioi scs doctor FILE --mend makes it again from the memories";
  context.output.progress(`by words alone: ${vectorsLost}. Next: ${next}`);
};

const show = (context: CommandContext, { answers }: Recalled): void => {
  const { output } = context;
  for (const { id, rank, memory, nearDuplicates } of answers) {
    const when = isoTime(memory.saidMs ?? memory.atMs).slice(0, 10);
    const from = memory.source === "" ? memory.origin.kind : memory.source;
    output.line(`${rank} ${output.paint("bold", `memory ${id}`)} ${visible(from)} ${when}`);
    for (const line of visible(memory.text).split("\n")) output.line(`  ${line}`);
    if (nearDuplicates.length > 0) output.line(`  nearly the same: ${nearDuplicates.join(", ")}`);
  }
  if (answers.length === 0) output.line("nothing found");
};

export const search: Handler<QueryOptions> = async (context, { args, options }) => {
  const [file, ...words] = args;
  const { substrate } = await openMemories(context, file, "read", options);
  await using _open = substrate;
  const query = queryOf(words.join(" "), options);
  const recalled = await substrate.recall(query, { signal: context.signal });
  const note = byWordsOnly(substrate, options);
  if (note !== undefined) context.output.progress(note);
  noteLoss(context, recalled);
  context.output.value({ schema: "ioi.scs-search/1", ...valueOf(recalled) });
  show(context, recalled);
  return exitCodes.done;
};

const hashOf = (option: string, text: string | undefined): Uint8Array | undefined => {
  if (text === undefined) return undefined;
  const bytes = fromHex(text.toLowerCase());
  if (bytes?.length !== 32) throw usage(`${option} takes 64 hex digits`);
  return bytes;
};

/** What a proof shows and what not, by the judge that its receiver will ask. */
const judged = (
  proof: Uint8Array,
  commit: Uint8Array | undefined,
  challenge: Uint8Array | undefined,
) => {
  if (commit === undefined) throw usage("the file has no memory that could be proved");
  const verdict = verifyRecall(proof, {
    commit,
    ...(challenge === undefined ? {} : { challenge }),
  });
  assert(verdict.ok, `a proof of our own does not verify: ${verdict.ok ? "" : verdict.reason}`);
  return verdict;
};

interface NearestOptions {
  readonly nearest?: "sampled" | "exact";
  readonly challenge?: string;
}

interface ProveOptions extends QueryOptions, NearestOptions {
  readonly out: string;
  readonly page?: string;
}

/** Whether and how it is to be shown that none is nearer. */
const drawOf = ({ nearest, challenge }: NearestOptions) => {
  if (challenge !== undefined && nearest !== "sampled") {
    throw usage("--challenge is what to draw by: it goes with --nearest sampled");
  }
  return nearest && { how: nearest, challenge: hashOf("--challenge", challenge) };
};

export const prove: Handler<ProveOptions> = async (context, { args, options }) => {
  const nearest = drawOf(options);
  const [file, ...words] = args;
  const page = options.page === undefined ? undefined : resolve(context.io.cwd, options.page);
  if (page !== undefined) checkPage(page);
  const { substrate } = await openMemories(context, file, "read", options);
  await using _open = substrate;
  const query = queryOf(words.join(" "), options);
  const proved = await substrate.prove(query, { signal: context.signal, nearest });
  const { lastCommit } = substrate.info;
  noteLoss(context, proved);
  const { shown, notShown } = judged(proved.proof, lastCommit, nearest?.challenge);
  const out = resolve(context.io.cwd, options.out);
  writeFileSync(out, proved.proof, { flag: "wx", mode: 0o600 });
  if (page !== undefined) writePage(page, out);
  const { output } = context;
  output.value({
    schema: "ioi.scs-prove/1",
    file: out,
    bytes: proved.proof.length,
    ...(page === undefined ? {} : { page }),
    commitHash: lastCommit === undefined ? null : toHex(lastCommit),
    ...valueOf(proved),
    shown,
    notShown,
  });
  show(context, proved);
  output.line(`proof in ${options.out}, ${proved.proof.length} bytes`);
  if (lastCommit !== undefined) output.line(`  commit ${toHex(lastCommit)}`);
  output.line(`  log ${toHex(proved.logRoot)}`);
  if (proved.indexRoot !== undefined) output.line(`  index ${toHex(proved.indexRoot)}`);
  for (const line of shown) output.line(`  shown: ${line}`);
  for (const line of notShown) output.line(`  not shown: ${line}`);
  output.line(
    nearest === undefined
      ? "  it discloses codes of some hundred other memories to whoever gets it"
      : "  it discloses vectors of other memories, all or hundreds, to whoever gets it",
  );
  return exitCodes.done;
};

interface VerifyOptions extends NearestOptions {
  readonly root?: string;
  readonly commit?: string;
  readonly indexRoot?: string;
  readonly checkpoint?: string;
  readonly key?: string;
}

/** What a Guardian vouched for in a note, if the key is its own. */
const vouchedFor = (
  context: CommandContext,
  { checkpoint, key }: VerifyOptions,
): { readonly trust: Pick<RecallTrust, "logRoot" | "store">; readonly size?: number } => {
  if (checkpoint === undefined) return { trust: {} };
  if (key === undefined) throw usage("a checkpoint is believed for a key: --key KEY");
  const raw = readBounded(resolve(context.io.cwd, checkpoint), checkpointBytesMax);
  const note = utf8Decode(raw) ?? "";
  const name = note.slice(0, Math.max(0, note.indexOf("\n")));
  const publicKey = keyOf(context, key, "");
  const verified = verifyCheckpoint(nodeCrypto, { name, publicKey }, note);
  if (!verified.ok) throw failWith({ ...verified.error, exit: exitCodes.wrong });
  const store = /^ioi\/scs\/([0-9a-f]{32})$/.exec(verified.value.origin)?.[1];
  const id = store === undefined ? undefined : fromHex(store);
  if (id === undefined) throw usage(`${name} is no checkpoint of a memory file`);
  const { root: logRoot, size } = verified.value;
  return { trust: { logRoot, store: id }, size };
};

export const verify: Handler<VerifyOptions> = (context, { args, options }) => {
  const vouched = vouchedFor(context, options);
  const logRoot = hashOf("--root", options.root) ?? vouched.trust.logRoot;
  const commit = hashOf("--commit", options.commit);
  const indexRoot = hashOf("--index-root", options.indexRoot);
  const { nearest } = options;
  const challenge = hashOf("--challenge", options.challenge);
  if (logRoot === undefined && commit === undefined) {
    throw usage("a proof is checked against a root that you got elsewhere: --root HEX");
  }
  if (options.checkpoint !== undefined && options.root !== undefined) {
    throw usage("--checkpoint names the root; leave --root out");
  }
  const proof = readBounded(resolve(context.io.cwd, args[0] ?? ""), proofFileBytesMax);
  const judged = verifyRecall(proof, {
    ...vouched.trust,
    ...(logRoot === undefined ? {} : { logRoot }),
    ...(commit === undefined ? {} : { commit }),
    ...(indexRoot === undefined ? {} : { indexRoot }),
    ...(nearest === undefined ? {} : { nearest }),
    ...(challenge === undefined ? {} : { challenge }),
  });
  const isOfSize = !judged.ok || [undefined, judged.commit.logSize].includes(vouched.size);
  const verdict: RecallVerdict = isOfSize
    ? judged
    : { ok: false, reason: "the checkpoint is of a log of another size" };
  const { output } = context;
  output.value(recallReport(verdict));
  if (!verdict.ok) {
    output.line(`WRONG: ${verdict.reason}`);
    return Promise.resolve(exitCodes.wrong);
  }
  output.line(
    `good: ${verdict.answers.length} memories of the log ${toHex(verdict.commit.logRoot)}`,
  );
  for (const { memory, content } of verdict.answers) {
    output.line(`  memory ${memory}: ${visible(content.text).replaceAll("\n", " ").slice(0, 100)}`);
  }
  for (const line of verdict.shown) output.line(`  shown: ${line}`);
  for (const line of verdict.notShown) output.line(`  not shown: ${line}`);
  return Promise.resolve(exitCodes.done);
};
