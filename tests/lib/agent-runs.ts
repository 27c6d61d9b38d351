/** Sessions of any agent, driven over the kernel's sockets: what suites of agents compare. */
import path from "node:path";
import { agentStepMsDefault, type RunView } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import { openManifest } from "@ioi/drivers/agent";
import { client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

export interface AgentRun {
  readonly text: string;
  readonly workspace: string;
  /** The agent's folder; absent: the planner, or a model where `model` is given. */
  readonly folder?: string;
  readonly model?: string;
  readonly onAsk?: "deny" | "pend";
  readonly budget?: {
    readonly actions?: number;
    readonly tokens?: bigint;
    readonly microusd?: bigint;
  };
  readonly stepMs?: number;
  /** Longest wait for it to rest. */
  readonly withinMs?: number;
  /** What its actions wrote while they ran. */
  readonly onOutput?: (action: number, text: string) => void;
  readonly onView?: (view: RunView) => void;
}

const kindOf = ({ folder, model }: AgentRun): "folder" | "model" | "planner" =>
  folder !== undefined ? "folder" : model !== undefined ? "model" : "planner";

const folderOf = ({ folder, stepMs }: AgentRun) => {
  if (folder === undefined) return {};
  const { name, version, tools, stepSeconds } = openManifest(folder);
  const ownMs = stepSeconds === undefined ? agentStepMsDefault : stepSeconds * 1000;
  return {
    folder: { path: folder, name, version, tools: [...tools], stepMs: stepMs ?? ownMs },
  };
};

/** Opens a session with the Guardian. */
export const openRun = async (data: string, run: AgentRun): Promise<string> => {
  const kind = kindOf(run);
  await using channel = await dial(path.join(data, "run/guardian.sock"));
  const { session } = await client(pb.Person, channel).utter({
    text: run.text,
    workspace: run.workspace,
    agent: kind,
    agentFolder: run.folder ?? "",
  });
  return session;
};

const lastOf = async (
  updates: AsyncIterable<pb.SessionUpdate>,
  { onOutput, onView }: Pick<AgentRun, "onOutput" | "onView">,
): Promise<RunView> => {
  let last: RunView | undefined;
  for await (const { output, json, rests } of updates) {
    if (output !== undefined) {
      onOutput?.(output.action, output.text);
      continue;
    }
    last = JSON.parse(json) as RunView;
    onView?.(last);
    if (rests) return last;
  }
  throw new OperationError("E_RPC_UNAVAILABLE", "the session's stream ended early");
};

/** Starts it and follows it to where it rests. */
export const startRun = async (data: string, session: string, run: AgentRun): Promise<RunView> => {
  await using channel = await dial(path.join(data, "run/workload.sock"));
  const updates = client(pb.Sessions, channel).start(
    {
      session,
      text: run.text,
      workspace: run.workspace,
      onAsk: run.onAsk ?? "deny",
      agent: kindOf(run),
      model: run.model ?? "",
      ...folderOf(run),
      ...(run.budget === undefined ? {} : { budget: run.budget }),
      output: run.onOutput !== undefined,
    },
    { deadlineMs: run.withinMs ?? 60_000 },
  );
  return await lastOf(updates, run);
};

export const followRun = async (
  data: string,
  session: string,
  withinMs = 60_000,
): Promise<RunView> => {
  await using channel = await dial(path.join(data, "run/workload.sock"));
  const sessions = client(pb.Sessions, channel);
  return await lastOf(sessions.follow({ session }, { deadlineMs: withinMs }), {});
};

export const runAgent = async (data: string, run: AgentRun): Promise<RunView> =>
  await startRun(data, await openRun(data, run), run);

/** Stops it; returns when nothing of it runs any more. */
export const stopRun = async (data: string, session: string): Promise<void> => {
  await using channel = await dial(path.join(data, "run/workload.sock"));
  await client(pb.Sessions, channel).stop({ session }, { deadlineMs: 30_000 });
};
