/** The verdict on a proof of recall as JSON, `ioi.verify-retrieval/1`: for programs and for people. */
import { toHex } from "@ioi/base";
import type { RecallVerdict } from "./recall.ts";

export interface RecallReport {
  readonly schema: "ioi.verify-retrieval/1";
  readonly ok: boolean;
  readonly reason: string | null;
  readonly commit: string | null;
  readonly logRoot: string | null;
  readonly logSize: number;
  readonly indexRoot: string | null;
  readonly store: string | null;
  readonly answers: readonly {
    readonly memory: number;
    readonly leaf: number;
    readonly text: string;
    readonly origin: { readonly kind: string; readonly from: string };
    readonly source: string;
    readonly atMs: number;
    readonly tags: readonly string[];
  }[];
  readonly search: {
    readonly nodes: number;
    readonly answers: readonly {
      readonly node: number;
      readonly score: number;
      /** Which of `answers` it is; null: none of them. */
      readonly answer: number | null;
    }[];
    /** Whether none is nearer: by all nodes, or by some that were drawn; null: it is not shown. */
    readonly nearest: {
      readonly how: "exact" | "sampled";
      readonly opened: number;
      /** Of those, how many are no answers any more. */
      readonly gone: number;
      readonly challenge: string | null;
    } | null;
  } | null;
  readonly shown: readonly string[];
  readonly notShown: readonly string[];
}

const refused = (reason: string): RecallReport => ({
  schema: "ioi.verify-retrieval/1",
  ok: false,
  reason,
  commit: null,
  logRoot: null,
  logSize: 0,
  indexRoot: null,
  store: null,
  answers: [],
  search: null,
  shown: [],
  notShown: [],
});

type Search = Exclude<RecallReport["search"], null>;
type Found = Exclude<(RecallVerdict & { readonly ok: true })["search"], undefined>;

const nearestOf = ({ nearest }: Found): Search["nearest"] => {
  if (nearest === undefined) return null;
  const { how, opened, gone, challenge } = nearest;
  return { how, opened, gone, challenge: challenge === undefined ? null : toHex(challenge) };
};

export const recallReport = (verdict: RecallVerdict): RecallReport => {
  if (!verdict.ok) return refused(verdict.reason);
  const { commit, store, answers, search, shown, notShown } = verdict;
  return {
    schema: "ioi.verify-retrieval/1",
    ok: true,
    reason: null,
    commit: toHex(commit.hash),
    logRoot: toHex(commit.logRoot),
    logSize: commit.logSize,
    indexRoot: commit.indexRoot === undefined ? null : toHex(commit.indexRoot),
    store: toHex(store),
    answers: answers.map(({ memory, leaf, content }) => {
      const { text, origin, source, atMs, tags } = content;
      return { memory, leaf, text, origin, source, atMs, tags };
    }),
    search:
      search === undefined
        ? null
        : {
            nodes: search.size,
            answers: search.answers.map(({ node, score, answer }) => ({
              node,
              score,
              answer: answer ?? null,
            })),
            nearest: nearestOf(search),
          },
    shown,
    notShown,
  };
};
