/**
 * The policy as this tab works on it: the text in force, the draft over it, and what the Guardian
 * says of the draft. A draft outlives a change of screen; it is kept nowhere else.
 */
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import type { GetPolicyReply } from "@ioi/wire/console";
import { useEffect, useState } from "react";
import { type LintView, parseDiff, parseLint, parseShadow } from "../pure/policy.ts";
import { makeStore, type Store } from "../view/store.ts";
import { api } from "./client.ts";
import { overviewQuery, queryClient } from "./queries.ts";

/** How long nothing is typed before the text is looked at, in milliseconds. */
const restMs = 250;
/** Answers about a draft that is not shown any more, in milliseconds. */
const keptMs = 10_000;

export const policyQuery = queryOptions({
  queryKey: ["policy"],
  queryFn: ({ signal }) => api.getPolicy({}, { signal }),
});

export const policyHistoryQuery = queryOptions({
  queryKey: ["policy", "history"],
  queryFn: async ({ signal }) => (await api.policyHistory({}, { signal })).versions,
});

export interface Draft {
  /** Hash of the text that it began with. */
  readonly base: string;
  readonly text: string;
}

export const policyDraft: Store<Draft | undefined> = makeStore<Draft | undefined>(undefined);

const need = <T>(view: T | undefined): T => {
  if (view === undefined) throw new Error("the console's answer is no such report");
  return view;
};

export const lintQuery = (text: string) =>
  queryOptions({
    queryKey: ["policy-lint", text],
    queryFn: async ({ signal }) => ({
      of: text,
      view: need(parseLint((await api.checkPolicy({ text }, { signal })).json)),
    }),
    gcTime: keptMs,
    placeholderData: keepPreviousData,
  });

export const diffQuery = (base: string, text: string) =>
  queryOptions({
    queryKey: ["policy-diff", base, text],
    queryFn: async ({ signal }) =>
      need(parseDiff((await api.diffPolicy({ before: "", after: text }, { signal })).json)),
    gcTime: keptMs,
  });

export const shadowQuery = (text: string) =>
  queryOptions({
    queryKey: ["policy-shadow", text],
    queryFn: async ({ signal }) =>
      need(parseShadow((await api.shadowPolicy({ text }, { signal })).json)),
    gcTime: keptMs,
  });

/** The value once it rested. */
const useRested = (value: string): string => {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), restMs);
    return () => clearTimeout(timer);
  }, [value]);
  return rested;
};

export interface Checked {
  /** What was said last, perhaps of an earlier text. */
  readonly lint: LintView | undefined;
  /** It is of exactly this text. */
  readonly current: boolean;
  readonly error: Error | null;
}

/** What the Guardian says of a text, a moment after it was typed. */
export const useChecked = (text: string): Checked => {
  const rested = useRested(text);
  const { data, error } = useQuery(lintQuery(rested));
  return { lint: data?.view, current: data?.of === text, error };
};

export interface Worked {
  readonly policy: GetPolicyReply;
  readonly text: string;
  readonly changed: boolean;
  /** Another text came in force since the draft began. */
  readonly moved: boolean;
  readonly setText: (text: string) => void;
  /** Lets the draft be one of the text that is in force now. */
  readonly rebase: () => void;
  readonly drop: () => void;
}

/** The draft over the text in force. */
export const workOn = (policy: GetPolicyReply, draft: Draft | undefined): Worked => {
  const text = draft?.text ?? policy.text;
  const base = draft?.base ?? policy.textHash;
  return {
    policy,
    text,
    changed: text !== policy.text,
    moved: text !== policy.text && base !== policy.textHash,
    setText: (next) => policyDraft.set(next === policy.text ? undefined : { base, text: next }),
    rebase: () => policyDraft.set({ base: policy.textHash, text }),
    drop: () => policyDraft.set(undefined),
  };
};

/** A text in force that was changed elsewhere shows in the overview first. */
export const usePolicy = () => {
  const found = useQuery(policyQuery);
  const { data: overview } = useQuery(overviewQuery);
  const known = found.data?.policyHash;
  const now = overview?.policyHash;
  useEffect(() => {
    if (known !== undefined && now !== undefined && known !== now) {
      void queryClient.invalidateQueries({ queryKey: policyQuery.queryKey });
    }
  }, [known, now]);
  return found;
};

export const refreshPolicy = async (): Promise<void> => {
  await queryClient.invalidateQueries({ queryKey: policyQuery.queryKey });
  await queryClient.invalidateQueries({ queryKey: overviewQuery.queryKey });
};
