/**
 * `suite retrieval`: how well memories are found, in a real memory file, by words and vectors together,
 * beside words alone and beside BM25 as textbooks write it.
 *
 * - `r10`, `hit10`, `ndcg10`: words and vectors together, the mean over sets; `bm25R10`, `bm25Ndcg10`: words;
 * - `fusionBelowBm25`: measures of sets in which both together are worse than words alone;
 * - `plainR10`, `plainNdcg10`: BM25 in floating point without stems.
 *
 * `--data PATH`: a file of JSON lines `{id, text}` and `{query, relevant[]}`, or a folder of such files.
 * `--param embedder=URL#MODEL`: a server of the OpenAI protocol on this machine instead of the built-in.
 * Control, on made sets with the built-in embedder: joined with equal weights, some measure falls.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "@ioi/base";
import { serverEmbedder } from "@ioi/drivers/embed";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { wasmSource } from "@ioi/host/wasm";
import {
  createSubstrate,
  type Embedder,
  fuse,
  HashedEmbedder,
  type KernelExports,
  openSubstrate,
  relaxedKernel,
  type Substrate,
} from "@ioi/scs";
import { type Measures, meanOf, measuresOf } from "./retrieval/measures.ts";
import { PlainBm25 } from "./retrieval/plain.ts";
import { madeSet, type ReadSets, readSets, type RetrievalSet } from "./retrieval/sets.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const k = 10;
const batch = 512;

interface Measured {
  readonly set: string;
  readonly queries: number;
  readonly joined: Measures;
  readonly words: Measures;
  readonly plain: Measures;
  /** Words and vectors with equal weights. */
  readonly equal: Measures;
}

const kernel = wasmSource<KernelExports>(relaxedKernel);

/** Asks a memory file every question of a set; its memories are the set's texts, in their order. */
const ask = async (substrate: Substrate, set: RetrievalSet): Promise<Measured> => {
  const plain = new PlainBm25(set.texts.map(({ text }) => text));
  const idsOf = (numbers: readonly number[]): readonly string[] =>
    numbers.map((number) => set.texts[number]?.id ?? "");
  const all: Record<"joined" | "words" | "plain" | "equal", Measures[]> = {
    joined: [],
    words: [],
    plain: [],
    equal: [],
  };
  for (const { query, relevant } of set.queries) {
    const find = async (by: "auto" | "words" | "vectors"): Promise<readonly number[]> =>
      (await substrate.recall({ text: query, k, by })).answers.map(({ id }) => id);
    const note = (name: keyof typeof all, numbers: readonly number[]): void => {
      all[name].push(measuresOf(idsOf(numbers), relevant));
    };
    const words = await find("words");
    note("joined", await find("auto"));
    note("words", words);
    note("equal", fuse(words, await find("vectors"), { k, isWeak: false }));
    note("plain", plain.search(query, k));
  }
  return {
    set: set.name,
    queries: set.queries.length,
    joined: meanOf(all.joined),
    words: meanOf(all.words),
    plain: meanOf(all.plain),
    equal: meanOf(all.equal),
  };
};

const measure = async (
  context: SuiteContext,
  set: RetrievalSet,
  embedder: Embedder,
): Promise<Measured> => {
  const folder = mkdtempSync(join(tmpdir(), "ioi-retrieval-"));
  try {
    const place = {
      files: openFiles(folder),
      path: "memories.scs",
      provider: nodeCrypto,
      now: () => Date.now(),
    };
    await createSubstrate(place, { slot: { type: "open" }, embedder });
    await using substrate = await openSubstrate(place, "write", { embedder, kernel });
    const { signal } = context;
    for (let at = 0; at < set.texts.length; at += batch) {
      context.progress(`${set.name}: ${at} of ${set.texts.length} texts`);
      const memories = set.texts
        .slice(at, at + batch)
        .map(({ id, text }) => ({ text, source: id, origin: { kind: "import", from: set.name } }));
      await substrate.remember(memories, { signal });
    }
    context.progress(`${set.name}: ${set.queries.length} questions`);
    return await ask(substrate, set);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const names = ["r10", "hit10", "ndcg10"] as const;
/** Sums in another order differ in the last bits. */
const rounding = 1e-9;

const below = (measured: Measures, than: Measures): readonly string[] =>
  names
    .filter((name) => measured[name] < than[name] - rounding)
    .map((name) => `${name} ${measured[name].toFixed(4)} < ${than[name].toFixed(4)}`);

const caseOf = (measured: Measured, hasControl: boolean): SuiteCase => {
  const { joined, words, equal, set } = measured;
  const falls = below(joined, words);
  return {
    id: `fusion-${set}`,
    outcome: falls.length === 0 ? "passed" : "failed",
    expected: "no measure below that of words alone",
    actual: falls.join(", ") || "none",
    control: hasControl ? (below(equal, words).length > 0 ? "harmed" : "harmless") : "none",
  };
};

const embedderOf = async ({ params, signal }: SuiteContext): Promise<Embedder> => {
  const named = params["embedder"];
  if (named === undefined) return new HashedEmbedder();
  const [url = "", model = ""] = named.split("#");
  return await serverEmbedder({ url, model, signal });
};

const setsOf = ({ dataPath, quick, seed }: SuiteContext): ReadSets => {
  if (dataPath !== undefined) return readSets(dataPath);
  const things = quick ? [80, 240] : [80, 240, 2000];
  const sets = things.map((count) =>
    madeSet(`made-${count}`, count, new SeededRandom(`retrieval ${seed} ${count}`)),
  );
  return { sets, data: [] };
};

export const suite: Suite = {
  name: "retrieval",
  covers: ["scs 4", "scs 5: retrieval without a model"],
  summary: "how well memories are found, by words and vectors, beside words alone",
  run: async (context) => {
    const { sets, data } = setsOf(context);
    const embedder = await embedderOf(context);
    const all: Measured[] = [];
    for (const set of sets) {
      if (context.caseId !== undefined && context.caseId !== `fusion-${set.name}`) continue;
      all.push(await measure(context, set, embedder));
    }
    const joined = meanOf(all.map((each) => each.joined));
    const words = meanOf(all.map((each) => each.words));
    const plain = meanOf(all.map((each) => each.plain));
    return {
      // With a real embedder, or on data of others, equal weights may well do better than words.
      cases: all.map((each) => caseOf(each, embedder.isWeak && context.dataPath === undefined)),
      data,
      metrics: {
        ...joined,
        bm25R10: words.r10,
        bm25Hit10: words.hit10,
        bm25Ndcg10: words.ndcg10,
        plainR10: plain.r10,
        plainNdcg10: plain.ndcg10,
        fusionBelowBm25: all.reduce((sum, each) => sum + below(each.joined, each.words).length, 0),
        queries: all.reduce((sum, each) => sum + each.queries, 0),
      },
      goals: [{ metric: "fusionBelowBm25", op: "<=", value: 0 }],
    };
  },
};
