/**
 * What the page asks the console, by name. An answer is kept until an event says that it changed
 * (`events.ts`); nothing polls but the overview, which also notices a kernel that came back.
 */
import { QueryClient, queryOptions } from "@tanstack/react-query";
import { parseRun } from "../pure/run.ts";
import { receiptsPageMax, sessionsMax } from "../pure/limits.ts";
import { api, problemOf } from "./client.ts";

const overviewPollMs = 30_000;
const receiptPollMs = 1000;
const doctorPollMs = 400;
const retriesMax = 2;

export const queryClient: QueryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Number.POSITIVE_INFINITY,
      refetchOnWindowFocus: false,
      retry: (failures, error) =>
        failures < retriesMax && !problemOf(error).signedOut && problemOf(error).unavailable,
    },
  },
});

export const overviewQuery = queryOptions({
  queryKey: ["overview"],
  queryFn: ({ signal }) => api.overview({}, { signal }),
  refetchInterval: overviewPollMs,
});

export const sessionsQuery = queryOptions({
  queryKey: ["sessions"],
  queryFn: async ({ signal }) =>
    (await api.listSessions({ limit: sessionsMax }, { signal })).sessions,
});

export const refreshSessions = async (): Promise<void> => {
  await queryClient.invalidateQueries({ queryKey: sessionsQuery.queryKey });
};

export const sessionQuery = (session: string) =>
  queryOptions({
    queryKey: ["session", session],
    queryFn: async ({ signal }) => {
      const { json, state, rests } = await api.getSession({ session }, { signal });
      const view = parseRun(json);
      if (view === undefined) throw new Error("the console's answer is no session");
      return { view, state, rests };
    },
    // An outcome's receipt is written a moment after the outcome itself.
    refetchInterval: ({ state: { data } }) =>
      data?.view.actions.some(
        ({ outcome }) => outcome !== undefined && outcome.receipt === undefined,
      )
        ? receiptPollMs
        : false,
  });

export const receiptsQuery = (session: string, before: bigint | undefined) =>
  queryOptions({
    queryKey: ["receipts", session, String(before ?? "newest")],
    queryFn: async ({ signal }) => {
      const limit = receiptsPageMax;
      const { size } = await api.listReceipts({ from: 0n, limit: 1, session: "" }, { signal });
      const to = before ?? size;
      const from = to > BigInt(limit) ? to - BigInt(limit) : 0n;
      const page = await api.listReceipts({ from, limit: Number(to - from), session }, { signal });
      return { receipts: page.receipts.toReversed(), size: page.size, from, to };
    },
  });

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: ({ signal }) => api.listModels({ discover: false }, { signal }),
});

export const refreshModels = async (): Promise<void> => {
  await queryClient.invalidateQueries({ queryKey: modelsQuery.queryKey });
  await queryClient.invalidateQueries({ queryKey: overviewQuery.queryKey });
};

export const secretsQuery = queryOptions({
  queryKey: ["secrets"],
  queryFn: async ({ signal }) => (await api.listSecrets({}, { signal })).secrets,
});

export const devicesQuery = queryOptions({
  queryKey: ["devices"],
  queryFn: async ({ signal }) => (await api.listDevices({}, { signal })).devices,
});

export const chainQuery = queryOptions({
  queryKey: ["chain"],
  queryFn: ({ signal }) => api.chainStatus({}, { signal }),
});

/** While a self-test runs, its step is asked for; nothing else changes by itself. */
export const doctorQuery = queryOptions({
  queryKey: ["doctor"],
  queryFn: ({ signal }) => api.doctorStatus({}, { signal }),
  refetchInterval: ({ state: { data } }) => (data?.running === true ? doctorPollMs : false),
});

export const foldersQuery = (path: string) =>
  queryOptions({
    queryKey: ["folders", path],
    queryFn: ({ signal }) => api.listFolders({ path }, { signal }),
    staleTime: 5000,
  });
