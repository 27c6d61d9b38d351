/** How many cards wait, scopes included; undefined until the first event says it. */
import { useQuery } from "@tanstack/react-query";
import { makeStore, type Store } from "../view/store.ts";
import { plansStore } from "./plans.ts";
import { overviewQuery } from "./queries.ts";

export const pendingStore: Store<number | undefined> = makeStore<number | undefined>(undefined);

/** As far as it is known: events, else the overview, and what was planned in this tab. */
export const usePending = (): number => {
  const told = pendingStore.use();
  const planned = [...plansStore.use().values()].filter(({ reply }) => reply.card !== "").length;
  const { data } = useQuery(overviewQuery);
  return told ?? (data?.pendingApprovals ?? 0) + planned;
};
