/** Sessions and approvals by the beginning of their id. */
import { OperationError } from "@ioi/base";
import type { pb } from "@ioi/wire";
import { callDeadlineMs } from "../limits.ts";
import { failWith, usage } from "../report.ts";
import { type Kernel, retrying } from "./connection.ts";
import { pendingApprovals } from "./follow.ts";

const sessionsListed = 1000;

export const listSessions = (
  kernel: Kernel,
  limit: number = sessionsListed,
): Promise<readonly pb.SessionSummary[]> =>
  retrying(kernel, async () => {
    const sessions = await kernel.sessions();
    return (await sessions.list({ limit }, { deadlineMs: callDeadlineMs })).sessions;
  });

const one = <T>(found: readonly T[], what: string, given: string): T | undefined => {
  if (found.length > 1) throw usage(`"${given}" begins ${found.length} ${what}; give more of it`);
  return found[0];
};

/** The one of them that is meant; a beginning that fits several names none. */
export const namedSession = <T extends { readonly session: string }>(
  all: readonly T[],
  given: string,
): T => {
  const exact = all.find(({ session }) => session === given);
  const found =
    exact ??
    one(
      all.filter(({ session }) => session.startsWith(given)),
      "sessions",
      given,
    );
  if (found !== undefined) return found;
  throw failWith({ code: "E_SESSION_UNKNOWN", message: `no session begins with "${given}"` });
};

export const findSession = async (kernel: Kernel, given: string): Promise<pb.SessionSummary> =>
  namedSession(await listSessions(kernel), given);

/** Where nobody showed yet what it would change, its driver looks once more. */
const withChange = async (kernel: Kernel, found: pb.Approval): Promise<pb.Approval> => {
  const { id: approval, session, preview } = found;
  if (preview === undefined || preview.state === "none" || preview.state === "there") return found;
  try {
    const sessions = await kernel.sessions();
    await sessions.showChange({ session, approval }, { deadlineMs: callDeadlineMs });
  } catch (error) {
    // The card says by itself that there is none.
    if (!(error instanceof OperationError)) throw error;
  }
  return (await pendingApprovals(kernel)).find(({ id }) => id === approval) ?? found;
};

export const findApproval = async (kernel: Kernel, given: string): Promise<pb.Approval> => {
  const all = await pendingApprovals(kernel);
  const exact = all.find(({ id }) => id === given);
  const found =
    exact ??
    one(
      all.filter(({ id }) => id.startsWith(given)),
      "approvals",
      given,
    );
  if (found !== undefined) return await withChange(kernel, found);
  throw failWith({ code: "E_APPROVAL_UNKNOWN", message: `no approval that waits is "${given}"` });
};
