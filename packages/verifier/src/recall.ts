/**
 * Verifies a proof of recall (`specs/scs/recall.md`): that memories stand in the log of a memory file,
 * and that the search over its index returns what it is said to.
 *
 * Imports nothing beyond this folder, so that it can be carried into a page. Total: any bytes give a
 * verdict. Bounds: `proofBytesMax`, `answersMax`; time and memory grow with the proof's bytes.
 *
 * A verdict says in words what it shows and what it does not; nobody is to show the one without the
 * other.
 */
import { type NearestVerdict, verifyNearest } from "./nearest.ts";
import {
  type RetrievalVerdict,
  type Searched,
  sha256OfParts,
  verifyRetrieval,
  type Wanted,
} from "./retrieval.ts";
import { Malformed, must, StrictReader, utf8 } from "./strict-cbor.ts";

/** What the verifier knows beforehand; `commit` or `logRoot` must be there. */
export interface RecallTrust {
  /** Hash of the commit: it covers both roots. */
  readonly commit?: Uint8Array;
  readonly logRoot?: Uint8Array;
  readonly indexRoot?: Uint8Array;
  /** Id of the file, which no hash covers. */
  readonly store?: Uint8Array;
  /** Numbers of the memories that it was given as answers, in their order. */
  readonly memories?: readonly number[];
  /** The verifier's own query and parameters; without, those of the proof are taken. */
  readonly query?: Int16Array;
  readonly wanted?: Wanted;
  /** What must be shown of the nearest; `exact` is `sampled` too. */
  readonly nearest?: Nearest["how"];
  /** 32 bytes that the verifier chose, after the root was known, for the nodes to be drawn by. */
  readonly challenge?: Uint8Array;
}

/** What is shown of the nearest: by all nodes of the index, or by some that were drawn. */
export type Nearest = Omit<NearestVerdict & { readonly ok: true }, "ok"> & {
  readonly challenge: Uint8Array | undefined;
};

export interface ProvedContent {
  readonly text: string;
  readonly mediaType: string;
  readonly atMs: number;
  readonly saidMs?: number;
  readonly origin: { readonly kind: string; readonly from: string };
  readonly source: string;
  readonly tags: readonly string[];
}

export interface ProvedAnswer {
  readonly memory: number;
  readonly leaf: number;
  /** Hash of its leaf in the log: what an index names it by. */
  readonly frame: Uint8Array;
  readonly content: ProvedContent;
}

export interface ProvedSearch {
  /** Nodes of the index. */
  readonly size: number;
  readonly wanted: Wanted;
  readonly query: Int16Array;
  /** What it read, in order. */
  readonly steps: Searched["steps"];
  readonly answers: readonly {
    readonly node: number;
    readonly score: number;
    readonly frame: Uint8Array;
    /** Its place among the answers of the document; undefined: it is none of them. */
    readonly answer: number | undefined;
  }[];
  /** Undefined: nothing was shown of it. */
  readonly nearest: Nearest | undefined;
}

export interface ProvedCommit {
  readonly hash: Uint8Array;
  readonly number: number;
  readonly atMs: number;
  readonly logSize: number;
  readonly logRoot: Uint8Array;
  readonly indexRoot: Uint8Array | undefined;
}

export type RecallVerdict =
  | {
      readonly ok: true;
      /** As the document says; nobody vouches for it but the verifier's own `store`. */
      readonly store: Uint8Array;
      readonly commit: ProvedCommit;
      readonly answers: readonly ProvedAnswer[];
      /** Absent where there is none, or no root that is trusted covers it. */
      readonly search: ProvedSearch | undefined;
      readonly shown: readonly string[];
      readonly notShown: readonly string[];
    }
  | { readonly ok: false; readonly reason: string };

const proofBytesMax = 16 * 1024 * 1024;
const contentBytesMax = 9 * 1024 * 1024;
const answersMax = 1024;
/** The end of the year 9999: a time in a memory file is none beyond it. */
const timeMsMax = 253_402_300_799_999;
const pathMax = 64;
const hashBytes = 32;

const domain = (name: string): Uint8Array =>
  Uint8Array.from(`${name}\0`, (char) => char.charCodeAt(0));
const contentDomain = domain("ioi/scs/content/v1");
const commitDomain = domain("ioi/scs/commit/v1");

const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

/** What a map's fields put together; every one that is due is there when the map was read. */
const gather = <T>(
  reader: StrictReader,
  fields: { readonly [K in keyof T]: () => T[K] },
  optional: readonly (keyof T & string)[] = [],
  unknown: "refused" | "skipped" = "refused",
): T => {
  const found: Partial<T> = {};
  const names = Object.keys(fields) as (keyof T & string)[];
  const readers = names.map((name) => [name, () => (found[name] = fields[name]())] as const);
  const due = names.filter((name) => !optional.includes(name));
  reader.map(Object.fromEntries(readers), due, unknown);
  return found as T;
};

interface Search {
  readonly parameters: {
    readonly dimension: number;
    readonly m: number;
    readonly efConstruction: number;
    readonly salt: Uint8Array;
  };
  readonly wanted: Wanted;
  readonly query: Int16Array;
  readonly proof: Uint8Array;
  readonly nearest?: { readonly challenge?: Uint8Array; readonly certificate: Uint8Array };
}

const readQuery = (raw: Uint8Array): Int16Array => {
  must(raw.length % 2 === 0, "the query is cut off");
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Int16Array.from({ length: raw.length / 2 }, (_, i) => view.getInt16(2 * i, true));
};

const readSearch = (reader: StrictReader): Search =>
  gather<Search>(
    reader,
    {
      parameters: () =>
        gather<Search["parameters"]>(reader, {
          dimension: () => reader.integer(8, 2048),
          m: () => reader.integer(2, 16),
          efConstruction: () => reader.integer(2, 4096),
          salt: () => reader.bytes(32),
        }),
      wanted: () =>
        gather<Wanted>(reader, {
          ef: () => reader.integer(1, 4096),
          rerank: () => reader.integer(1, 4096),
          final: () => reader.integer(1, 4096),
          k: () => reader.integer(1, 4096),
        }),
      query: () => readQuery(reader.bytes(0, 4096)),
      proof: () => reader.bytes(0, proofBytesMax),
      nearest: () =>
        gather<Required<Search>["nearest"]>(
          reader,
          {
            challenge: () => reader.bytes(32),
            certificate: () => reader.bytes(0, proofBytesMax),
          },
          ["challenge"],
        ),
    },
    ["nearest"],
  );

interface Answer {
  readonly head: Uint8Array;
  readonly sealed: Uint8Array;
  readonly leaf: number;
  readonly path: readonly Uint8Array[];
  readonly content: Uint8Array;
}

interface Document {
  readonly schema: string;
  readonly store: Uint8Array;
  readonly commit: Uint8Array;
  readonly seal: Uint8Array;
  readonly search?: Search;
  readonly answers: readonly Answer[];
}

const readDocument = (bytes: Uint8Array): Document => {
  must(bytes.length <= proofBytesMax, "the proof is too large");
  const reader = new StrictReader(bytes);
  const document = gather<Document>(
    reader,
    {
      schema: () => reader.text(32),
      store: () => reader.bytes(16),
      commit: () => reader.bytes(0, 4096),
      seal: () => reader.bytes(32),
      search: () => readSearch(reader),
      answers: () =>
        reader.list(answersMax, () =>
          gather<Answer>(reader, {
            head: () => reader.bytes(48),
            sealed: () => reader.bytes(hashBytes),
            leaf: () => reader.integer(),
            path: () => reader.list(pathMax, () => reader.bytes(hashBytes)),
            content: () => reader.bytes(0, contentBytesMax),
          }),
        ),
    },
    ["search"],
  );
  reader.end();
  must(document.schema === "ioi.recall-proof/1", "it is no proof of recall of this version");
  return document;
};

type CommitFields = Omit<ProvedCommit, "hash" | "indexRoot"> & { readonly indexRoot?: Uint8Array };

const readCommit = (bytes: Uint8Array, seal: Uint8Array): ProvedCommit => {
  const reader = new StrictReader(bytes);
  const body = gather<CommitFields>(
    reader,
    {
      number: () => reader.integer(),
      atMs: () => reader.integer(0, timeMsMax),
      logSize: () => reader.integer(),
      logRoot: () => reader.bytes(hashBytes),
      indexRoot: () => reader.bytes(hashBytes),
    },
    ["indexRoot"],
    "skipped",
  );
  reader.end();
  return { indexRoot: undefined, ...body, hash: sha256OfParts(commitDomain, bytes, seal) };
};

interface ContentFields extends Omit<ProvedContent, "text"> {
  readonly salt: Uint8Array;
  readonly text: string;
}

const readContent = (bytes: Uint8Array): ProvedContent => {
  const reader = new StrictReader(bytes);
  const { salt: _salt, ...content } = gather<ContentFields>(
    reader,
    {
      salt: () => reader.bytes(32),
      text: () => utf8(reader.bytes(0, contentBytesMax)),
      mediaType: () => reader.text(128),
      atMs: () => reader.integer(0, timeMsMax),
      saidMs: () => reader.integer(0, timeMsMax),
      origin: () =>
        gather<ProvedContent["origin"]>(reader, {
          kind: () => reader.text(32),
          from: () => reader.text(2048),
        }),
      source: () => reader.text(2048),
      tags: () => reader.list(64, () => reader.text(128)),
    },
    ["saidMs"],
  );
  reader.end();
  return content;
};

const node = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  sha256OfParts(Uint8Array.of(1), left, right);

/** RFC 9162, 2.1.3.2, with division for sizes beyond 32 bits. */
const rootOf = (
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Uint8Array => {
  must(index < size, "a leaf is beyond the log");
  let [at, last, hash] = [index, size - 1, leaf];
  for (const beside of path) {
    must(last > 0, "a path is too long");
    if (at % 2 === 1 || at === last) {
      hash = node(beside, hash);
      while (at % 2 === 0 && at > 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      hash = node(hash, beside);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  must(last === 0, "a path is too short");
  return hash;
};

const checkAnswer = (answer: Answer, { logSize, logRoot }: ProvedCommit): ProvedAnswer => {
  const { head, sealed, leaf, path, content } = answer;
  const commitment = sha256OfParts(contentDomain, content);
  must(same(commitment, head.subarray(16)), "a content is not what its memory commits to");
  must(
    head.subarray(12, 16).every((byte) => byte === 0),
    "a memory's head is malformed",
  );
  let memory = 0;
  for (const byte of head.subarray(0, 8).toReversed()) memory = memory * 256 + byte;
  must(Number.isSafeInteger(memory), "a memory's number is too large");
  const frame = sha256OfParts(Uint8Array.of(0, 1), sha256OfParts(head, sealed));
  must(same(rootOf(frame, leaf, logSize, path), logRoot), "a memory is not in the log");
  return { memory, leaf, frame, content: readContent(content) };
};

type Claim = Parameters<typeof verifyRetrieval>[0];

const checkNearest = (
  { nearest }: Search,
  asked: Claim,
  searched: RetrievalVerdict & { readonly ok: true },
): Nearest | undefined => {
  if (nearest === undefined) return undefined;
  const { challenge, certificate } = nearest;
  const verdict = verifyNearest({ asked, searched, challenge, certificate });
  must(verdict.ok, verdict.ok ? "" : `the nearest: ${verdict.reason}`);
  const { how, opened, gone } = verdict;
  return { how, opened, gone, challenge };
};

/** That as much is shown as the verifier wants to know. */
const checkDue = (nearest: Nearest | undefined, trust: RecallTrust): void => {
  const due = trust.nearest ?? (trust.challenge === undefined ? undefined : "sampled");
  must(due === undefined || nearest !== undefined, "it does not show that none is nearer");
  must(due !== "exact" || nearest?.how === "exact", "it opens some nodes, not all");
  const { challenge } = trust;
  if (challenge === undefined || nearest?.how === "exact") return;
  const own = nearest?.challenge;
  must(own !== undefined && same(own, challenge), "its nodes are drawn by another challenge");
};

const checkSearch = (
  search: Search,
  root: Uint8Array,
  trust: RecallTrust,
  answers: readonly ProvedAnswer[],
): ProvedSearch => {
  const { parameters, proof } = search;
  const own = trust.query ?? search.query;
  must(
    own.length === search.query.length && own.every((value, i) => value === search.query[i]),
    "it answers another query",
  );
  const wanted = trust.wanted ?? search.wanted;
  const names = ["ef", "rerank", "final", "k"] as const;
  must(
    names.every((name) => wanted[name] === search.wanted[name]),
    "it was searched with other parameters",
  );
  const claim: Claim = { root, parameters, query: own, wanted, proof };
  const verdict: RetrievalVerdict = verifyRetrieval(claim);
  must(verdict.ok, verdict.ok ? "" : `the search: ${verdict.reason}`);
  const listed = verdict.answers.map(({ id, score, frame }) => {
    const at = answers.findIndex((answer) => same(answer.frame, frame));
    return { node: id, score, frame, answer: at < 0 ? undefined : at };
  });
  const nearest = checkNearest(search, claim, verdict);
  const { size, steps } = verdict;
  return { size, wanted, query: own, steps, answers: listed, nearest };
};

/** What is shown of the nearest in words, and what not. */
const aboutNearest = (
  { size, nearest }: Pick<ProvedSearch, "size" | "nearest">,
  isChallenged: boolean,
): { readonly shown: readonly string[]; readonly notShown: readonly string[] } => {
  if (nearest === undefined) {
    return { shown: [], notShown: ["that the answers are the nearest of all"] };
  }
  const { how, opened } = nearest;
  if (how === "exact") {
    const all = `none of the ${size} vectors of the index is nearer than the answers: all are opened`;
    return { shown: [all], notShown: [] };
  }
  const few = `none of ${opened} drawn from ${size} vectors of the index is nearer than the answers: at 99 % less than a hundredth of them is`;
  const tried =
    "that its maker did not try indices and questions until the draw missed what is nearer: a challenge that you choose when you know the root leaves one try";
  const rest = "that the answers are the nearest of all: up to a hundredth may be nearer";
  return { shown: [few], notShown: [rest, ...(isChallenged ? [] : [tried])] };
};

const always: readonly string[] = [
  "the order by words, and how it was put together with that by vectors",
  "that whoever built the index left no way out: ioi scs audit makes it again from the log",
  "that no memory was forgotten or replaced since, or that this is the newest commit",
];

const judge = (bytes: Uint8Array, trust: RecallTrust): RecallVerdict => {
  must(trust.commit !== undefined || trust.logRoot !== undefined, "there is no root to trust");
  const document = readDocument(bytes);
  const commit = readCommit(document.commit, document.seal);
  const fits = (given: Uint8Array | undefined, found: Uint8Array | undefined): boolean =>
    given === undefined || (found !== undefined && same(given, found));
  must(fits(trust.commit, commit.hash), "it is of another commit");
  must(fits(trust.logRoot, commit.logRoot), "it is of another log");
  must(fits(trust.indexRoot, commit.indexRoot), "it is of another index");
  const answers = document.answers.map((answer) => checkAnswer(answer, commit));
  must(new Set(answers.map(({ leaf }) => leaf)).size === answers.length, "a memory is there twice");
  const { memories = answers.map(({ memory }) => memory) } = trust;
  must(
    memories.length === answers.length &&
      memories.every((memory, i) => memory === answers[i]?.memory),
    "it shows other answers",
  );
  const { search } = document;
  const isAsked = trust.query !== undefined || trust.wanted !== undefined;
  must(!isAsked || search !== undefined, "it shows no search by vectors");
  const root = trust.indexRoot ?? (trust.commit === undefined ? undefined : commit.indexRoot);
  must(search === undefined || commit.indexRoot !== undefined, "its commit has no index");
  const checked =
    search === undefined || root === undefined
      ? undefined
      : checkSearch(search, root, trust, answers);
  checkDue(checked?.nearest, trust);
  const nearest = aboutNearest(
    checked ?? { size: 0, nearest: undefined },
    trust.challenge !== undefined,
  );
  const shown = [`${answers.length} memories of this log, with their content and origin`];
  const notShown = [...always, ...nearest.notShown];
  if (checked === undefined) {
    notShown.unshift(
      search === undefined
        ? "a search by vectors: the answer has none"
        : "the search by vectors: no root of an index was given to trust",
    );
  } else {
    shown.push(
      `the search by vectors over the index of ${checked.size} returns exactly ${checked.answers.length} answers, listed`,
      ...nearest.shown,
    );
    notShown.unshift("that the query vector stands for what was asked in words");
  }
  const { store } = document;
  must(fits(trust.store, store), "it is of another file");
  if (trust.store === undefined) notShown.push("that the file has the id that is named");
  return { ok: true, store, commit, answers, search: checked, shown, notShown };
};

/** The verdict on a proof. Never throws. */
export const verifyRecall = (proof: Uint8Array, trust: RecallTrust): RecallVerdict => {
  try {
    return judge(proof, trust);
  } catch (error) {
    const reason = error instanceof Malformed ? error.message : "the proof is malformed";
    return { ok: false, reason };
  }
};
