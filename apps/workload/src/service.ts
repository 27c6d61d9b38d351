/** `ioi.kernel.v1.Sessions`, over the workload's own Unix socket in the data folder. */
import {
  type AgentFolder,
  agentStepMsMax,
  attachmentsMax,
  personsMax,
  messageCharsMax,
  type OnAsk,
} from "@ioi/agent";
import { OperationError } from "@ioi/base";
import { pathComplaint, personOf } from "@ioi/firewall";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { isAbsolute, normalize } from "node:path";
import { contentPieceBytesMax, inputBytesMax } from "./limits.ts";
import type { AgentChoice, Budgets, Followed, Sessions, StartInput } from "./sessions.ts";

const request = (message: string): OperationError =>
  new OperationError("E_SESSION_REQUEST", message);

/** Nobody said what to do with an ask: nobody will answer it. */
const onAskOf = (text: string): OnAsk => {
  if (text === "" || text === "deny") return "deny";
  if (text === "prompt" || text === "pend") return text;
  throw request("on_ask is prompt, deny or pend");
};

const workspaceOf = (text: string): string => {
  if (text === "") return text;
  if (!isAbsolute(text) || normalize(text) !== text || text.length > 4096) {
    throw request("the workspace is not an absolute path");
  }
  return text;
};

const agentOf = (kind: string, text: string): AgentChoice => {
  if (kind === "") return /^\s*(?:\/|$)/.test(text) ? "planner" : "model";
  if (kind === "planner" || kind === "model" || kind === "folder") return kind;
  throw request("an agent is planner, model or folder");
};

const folderOf = (
  kind: AgentChoice,
  given: pb.AgentFolder | undefined,
): AgentFolder | undefined => {
  if ((kind === "folder") !== (given !== undefined)) {
    throw request("a folder is given for an agent that is one");
  }
  if (given === undefined) return undefined;
  const { path, name, version, tools, stepMs } = given;
  const named = /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name) && version.length <= 64;
  if (!named || tools.length > 64 || tools.some((each) => each.length > 64)) {
    throw request("what agent.toml says does not fit");
  }
  if (stepMs < 1 || stepMs > agentStepMsMax) throw request("the time for a step does not fit");
  return { path: workspaceOf(path), name, version: version.toWellFormed(), tools, stepMs };
};

/** Budgets that are given; what is 0 is not. */
export const budgetsOf = (given: pb.SessionBudget | undefined): Budgets => {
  const amount = (value: bigint | number = 0): number | undefined =>
    value === 0 || value === 0n ? undefined : Number(value);
  const [actionsMax, wallMsMax] = [amount(given?.actions), amount(given?.wallMs)];
  const [tokensMax, microusdMax] = [amount(given?.tokens), amount(given?.microusd)];
  const budgets = {
    ...(actionsMax === undefined ? {} : { actionsMax }),
    ...(wallMsMax === undefined ? {} : { wallMsMax }),
    ...(tokensMax === undefined ? {} : { tokensMax }),
    ...(microusdMax === undefined ? {} : { microusdMax }),
  };
  if (!Object.values(budgets).every((each) => Number.isSafeInteger(each))) {
    throw request("a budget is too large");
  }
  return budgets;
};

async function* updates(followed: Promise<Followed>, signal: AbortSignal, output = false) {
  const session = await followed;
  if (!output) {
    yield* session.follow(signal);
    return;
  }
  for await (const each of session.followAll(signal)) {
    if (each.type === "state") yield each;
    else {
      const { session: id, action, text, stream } = each;
      yield { session: id, output: { action, text, errors: stream === "errors" } };
    }
  }
}

const startOf = (given: pb.StartRequest): StartInput => {
  const { session, workspace, onAsk, model } = given;
  const text = given.text.toWellFormed();
  const agent = agentOf(given.agent, text);
  if (model.length > 128) throw request("the model's name is too long");
  const folder = folderOf(agent, given.folder);
  const { attachments, persons } = given;
  if (attachments.length > attachmentsMax) {
    throw request(`${attachments.length} attachments; at most ${attachmentsMax}`);
  }
  if (attachments.some((each) => pathComplaint(each) !== undefined)) {
    throw request("an attachment is named by an absolute path that can be read");
  }
  if (persons.length > personsMax) {
    throw request(`${persons.length} people; at most ${personsMax}`);
  }
  if (persons.some((each) => personOf(each) === undefined)) {
    throw request("a person is named by a mail address, a telephone number or an account");
  }
  return {
    session,
    text,
    workspace: workspaceOf(workspace),
    onAsk: onAskOf(onAsk),
    agent,
    ...(model === "" ? {} : { model: model.toWellFormed() }),
    ...(folder === undefined ? {} : { folder }),
    attachments,
    persons,
    budgets: budgetsOf(given.budget),
  };
};

export const sessionsService = (sessions: Sessions): Implementation =>
  implement(pb.Sessions, {
    start: (request_, { signal }) =>
      updates((async () => await sessions.start(startOf(request_)))(), signal, request_.output),
    follow: ({ session, output }, { signal }) => updates(sessions.follow(session), signal, output),
    list: async ({ limit }) => ({
      sessions: (await sessions.list(limit)).map((each) => ({
        session: each.session,
        state: each.state,
        text: each.text,
        workspace: each.workspace,
        createdMs: BigInt(each.createdMs),
        actions: each.actions,
        undoable: each.undoable,
      })),
    }),
    stop: async ({ session }, { signal }) => ({
      stopped: [...(await sessions.stop(session, signal))],
    }),
    undo: ({ session, action, undoSession, onAsk }, { signal }) =>
      updates(
        (async () =>
          await sessions.undo({ session, action, undoSession, onAsk: onAskOf(onAsk) }))(),
        signal,
      ),
    resolve: async ({ session, resolution }) => {
      if (resolution !== "happened" && resolution !== "did-not-happen") {
        throw request("a resolution is happened or did-not-happen");
      }
      await sessions.resolve(session, resolution);
      return {};
    },
    say: async ({ session, text }) => {
      if (text.length > messageCharsMax) throw request("the message is too long");
      await sessions.give(session, { type: "message", text: text.toWellFormed() });
      return {};
    },
    pause: async ({ session }) => {
      await sessions.give(session, { type: "pause" });
      return {};
    },
    resume: async ({ session, budget }) => {
      const budgets = budgetsOf(budget);
      await sessions.resume(session, budgets);
      return {};
    },
    input: async ({ session, bytes, end }) => {
      if (bytes.length > inputBytesMax) throw request("the input is too long");
      return { taken: await sessions.input(session, bytes, end) };
    },
    showChange: async ({ session, approval }) => {
      await sessions.showChange(session, approval);
      return {};
    },
    content: async ({ session, action, offset, length, part }) => {
      if (part !== "" && part !== "proof") throw request("a part is proof, or none");
      if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw request("the offset is too large");
      const bound = length === 0 ? contentPieceBytesMax : Math.min(length, contentPieceBytesMax);
      const { bytes, total } = await sessions.content(session, action, Number(offset), bound, part);
      return { bytes, total: BigInt(total) };
    },
  });
