/** How many cards wait: as the console said last, and what this tab planned since then. */
import { useQuery } from "@tanstack/react-query";
import { plansStore } from "./plans.ts";
import { overviewQuery } from "./queries.ts";

export const usePending = (): number => {
  const { data, dataUpdatedAt } = useQuery(overviewQuery);
  const planned = [...plansStore.use().values()].filter(
    ({ reply, atMs }) => reply.card !== "" && atMs > dataUpdatedAt,
  );
  return (data?.pendingApprovals ?? 0) + planned.length;
};
