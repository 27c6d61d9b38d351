/**
 * Verifies a certificate that none is nearer: that no leaf of a committed index, or none of those that
 * were drawn from it, is nearer to the query than the last answer of a search that was verified before.
 *
 * Imports `retrieval.ts` alone, so that both can be carried anywhere. Source: `specs/scs/mhnsw.md`,
 * section 12, whose parts stand at the functions. Integers only. Total: any bytes give a verdict, and time
 * is bounded by their number.
 *
 * What a good verdict shows: `exact`: the answers are the nearest of all that are not gone, by the
 * committed vectors and their order. `sampled`: of `sampleMax` different leaves that a rule drew none is
 * nearer; where a hundredth of all leaves were, a draw would miss them once in a hundred times. A draw
 * that nobody chose follows from the root and the question: whoever can try T of those passes with a
 * chance of at most T times that. A challenge that was chosen after the root was known leaves one try.
 */
import {
  check,
  type Leaf,
  little,
  Reader,
  readLeaf,
  type RetrievalClaim,
  type RetrievalVerdict,
  sha256OfParts,
  sumOf,
  treeRoot,
  wholeScore,
  Wrong,
} from "./retrieval.ts";

export interface NearestClaim {
  /** What the search was verified with, its proof left out. */
  readonly asked: Omit<RetrievalClaim, "proof">;
  /** The verdict of that. */
  readonly searched: RetrievalVerdict & { readonly ok: true };
  /** 32 bytes that the verifier chose; undefined: the draw follows from the question alone. */
  readonly challenge: Uint8Array | undefined;
  readonly certificate: Uint8Array;
}

export type NearestVerdict =
  | {
      readonly ok: true;
      /** `exact`: all leaves were opened. */
      readonly how: "exact" | "sampled";
      readonly opened: number;
      /** Of those, how many stand for nothing any more. */
      readonly gone: number;
    }
  | { readonly ok: false; readonly reason: string };

/** Leaves that are drawn: 0.99 to this power is below a hundredth. */
export const sampleMax = 460;
const version = 1;
const modes = ["exact", "sampled"] as const;

const name = Uint8Array.from("ioi/scs/nearest/v1\0", (char) => char.charCodeAt(0));

// Which leaves are drawn.

const seedOf = ({ asked, searched, challenge }: NearestClaim): Uint8Array => {
  const { root, query, wanted } = asked;
  const chosen = challenge === undefined ? [little(0, 1)] : [little(1, 1), challenge];
  const components = Array.from(query, (component) => little(component & 0xffff, 2));
  const { ef, rerank, final, k } = wanted;
  const parameters = [ef, rerank, final, k].map((value) => little(value, 2));
  const answers = searched.answers.map(({ id }) => little(id, 4));
  return sha256OfParts(
    name,
    ...chosen,
    root,
    little(query.length, 2),
    ...components,
    ...parameters,
    little(answers.length, 2),
    ...answers,
  );
};

/** Different numbers below `size`, rising; more than are drawn stand below it. */
const draw = (seed: Uint8Array, size: number): readonly number[] => {
  const drawn = new Set<number>();
  // What is left over above would make the low numbers likelier.
  const bound = Math.floor(2 ** 32 / size) * size;
  for (let block = 0; drawn.size < sampleMax; block++) {
    const view = new DataView(sha256OfParts(seed, little(block, 4)).buffer);
    for (let at = 0; at < 32 && drawn.size < sampleMax; at += 4) {
      const value = view.getUint32(at, true);
      if (value < bound) drawn.add(value % size);
    }
  }
  return [...drawn].sort((a, b) => a - b);
};

// What is opened of them.

const readCertificate = (claim: NearestClaim) => {
  const { asked, searched, certificate } = claim;
  const { size } = searched;
  const reader = new Reader(certificate);
  check(reader.byte() === version, "the certificate has another version");
  const how = modes[reader.byte()];
  check(how !== undefined, "leaves are drawn in an unknown way");
  const isDrawn = how === "sampled";
  check(!isDrawn || size > sampleMax, "leaves are drawn where all are to be opened");
  check(isDrawn || claim.challenge === undefined, "nothing is drawn by the challenge");
  const drawn = isDrawn ? draw(seedOf(claim), size) : undefined;
  const nothing = { ids: new Int32Array(), codes: new Uint8Array(), codeBytes: 0 };
  const leaves = new Map<number, Leaf>();
  for (let i = 0; i < (drawn?.length ?? size); i++) {
    const id = drawn?.[i] ?? i;
    const leaf = readLeaf(reader, asked.parameters, nothing, id);
    const isClosed = leaf.neighbours.every((list) => list === undefined);
    check(isClosed, "a list is shown that nobody asks for");
    leaves.set(id, leaf);
  }
  const siblings: Uint8Array[] = [];
  const count = isDrawn ? reader.varint() : 0;
  for (let i = 0; i < count; i++) siblings.push(reader.take(32));
  reader.end();
  return { how, size, leaves, siblings };
};

/** The most that a vector can score whose upper bits these are. */
const mostOf = (query: Int16Array, upper: Uint8Array): number =>
  sumOf(upper.length, (i) => {
    const q = query[i] as number;
    return q * (((upper[i] as number) - 64) << 5) + Math.max(-16 * q, 15 * q);
  });

const judgeLeaves = (
  { asked, searched }: NearestClaim,
  leaves: ReadonlyMap<number, Leaf>,
): void => {
  const { query, wanted } = asked;
  const { answers } = searched;
  const isAnswer = new Set(answers.map(({ id }) => id));
  const last = answers.length < wanted.k ? undefined : answers.at(-1);
  const isBefore = (score: number, id: number): boolean =>
    last === undefined || score > last.score || (score === last.score && id < last.id);
  for (const [id, { gone, vector }] of leaves) {
    if (gone || isAnswer.has(id)) {
      check(vector === undefined, "a vector is shown that nobody asks for");
      continue;
    }
    check(vector !== undefined, "a vector is not shown");
    const isWorse = !isBefore(mostOf(query, vector.upper), id);
    check(isWorse === (vector.lower === undefined), "of a vector another part is due");
    check(isWorse || !isBefore(wholeScore(query, vector), id), "a nearer one was left out");
  }
};

/** The verdict on a certificate. Never throws. */
export const verifyNearest = (claim: NearestClaim): NearestVerdict => {
  try {
    const { challenge, searched } = claim;
    check(challenge === undefined || challenge.length === 32, "the challenge is malformed");
    const opened = readCertificate(claim);
    const tree = treeRoot(opened);
    check(
      tree.every((byte, i) => byte === searched.leavesRoot[i]),
      "it is of another index",
    );
    judgeLeaves(claim, opened.leaves);
    const gone = [...opened.leaves.values()].filter((leaf) => leaf.gone).length;
    return { ok: true, how: opened.how, opened: opened.leaves.size, gone };
  } catch (error) {
    const reason = error instanceof Wrong ? error.message : "the certificate is malformed";
    return { ok: false, reason };
  }
};
