/**
 * Sessions as the page has them: planned, begun, shown, stopped, undone. Each call is the one that
 * the command line makes; nothing here decides anything.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OperationError } from "@ioi/base";
import type { Kernel } from "../kernel.ts";
import { callMs, sessionsListedMax } from "../limits.ts";
import type { CallContext, Handlers } from "../http/connect.ts";
import type { Console } from "@ioi/wire/console";
import { badRequest, isCode, offered, whereOffered } from "./optional.ts";
import type { Plan, Plans } from "./plans.ts";

type Offered = Pick<
  Handlers<typeof Console>,
  | "plan"
  | "begin"
  | "listSessions"
  | "getSession"
  | "getContent"
  | "stop"
  | "undo"
  | "say"
  | "pause"
  | "resume"
  | "resolve"
>;

export interface SessionsOptions {
  readonly kernel: Kernel;
  readonly plans: Plans;
  readonly nowMs: () => number;
  /** Something changed that a page wants to see at once. */
  readonly onChange: () => void;
  readonly onBug: (error: unknown) => void;
}

/** How long the workload is waited for before the launcher kills, in milliseconds. */
const stopGraceMs = 100;
const reason = "stopped by the person";
const over = ["E_SESSION_CLOSED", "E_SESSION_UNKNOWN"] as const;

/** Returns what servers had received already, in words. */
const stopOne = async (
  kernel: Kernel,
  session: string,
  options: CallContext,
): Promise<readonly string[]> => {
  const { signal } = options;
  const call = { signal, deadlineMs: callMs };
  const telling = kernel.sessions().then((sessions) => sessions.stop({ session }, call));
  const kill = async (): Promise<readonly string[]> => {
    await Promise.race([telling.catch(() => undefined), sleep(stopGraceMs)]);
    const { sent } = await (await kernel.launcher()).stopSession({ session }, call);
    return sent.map(({ method, url, bytesUp }) => `${method} ${url}: ${bytesUp} bytes were sent`);
  };
  const revoke = async (): Promise<void> => {
    await (await kernel.person()).revoke({ session, reason }, call);
  };
  // "Stopped" is said only when the Guardian and the launcher answered.
  const [killed, revoked, told] = await Promise.allSettled([kill(), revoke(), telling]);
  if (killed.status === "rejected") throw killed.reason;
  for (const each of [revoked, told]) {
    if (each.status === "rejected" && !isCode(each.reason, ...over)) throw each.reason;
  }
  return killed.value;
};

const ended: readonly string[] = ["done", "failed", "stopped"];

/** One session, or all that are not over. */
const meantToStop = async (
  kernel: Kernel,
  session: string,
  { signal }: CallContext,
): Promise<readonly string[]> => {
  if (session !== "") return [session];
  const client = await kernel.sessions();
  const { sessions } = await client.list({ limit: 0 }, { signal, deadlineMs: callMs });
  return sessions.filter(({ state }) => !ended.includes(state)).map((each) => each.session);
};

/** Starts a session and lets it run: it goes on in the workload, whoever watches. */
export const beginPlan = async (options: SessionsOptions, plan: Plan): Promise<void> => {
  const { kernel, onChange } = options;
  const sessions = await kernel.sessions();
  const { session, text, workspace, agent, model, microusdMax, wallMinutesMax } = plan;
  const attachments = [...(plan.scope?.scope?.files ?? [])];
  const persons = [...(plan.scope?.scope?.persons ?? [])];
  const budget = {
    actions: 0,
    tokens: 0n,
    microusd: microusdMax,
    wallMs: BigInt(wallMinutesMax) * 60_000n,
  };
  const updates = sessions.start(
    { session, text, workspace, agent, model, budget, attachments, persons, onAsk: "prompt" },
    { deadlineMs: callMs },
  );
  // The first state says that it has begun and is in the journal.
  for await (const _update of updates) break;
  onChange();
};

const openSession = async (
  kernel: Kernel,
  request: {
    readonly session: string;
    readonly text: string;
    readonly workspace: string;
    readonly access: string;
    readonly typed: boolean;
  },
  agent: string,
  { signal }: CallContext,
): Promise<string> => {
  // What was planned before and changed on the card is the same task: its words stand already.
  if (request.session !== "") return request.session;
  const { text, workspace, access, typed } = request;
  const person = await kernel.person();
  const { session } = await person.utter(
    { session: "", text, workspace, access, agent, undoes: "", typed },
    { signal, deadlineMs: callMs },
  );
  return session;
};

/** As the Guardian wants a folder: without links, where it stands in the home. */
const realPath = async (kernel: Kernel, path: string, signal: AbortSignal): Promise<string> => {
  try {
    const launcher = await kernel.launcher();
    return (await launcher.listFolders({ path }, { signal, deadlineMs: callMs })).path;
  } catch (error) {
    if (isCode(error, "E_FOLDER_REFUSED")) return path;
    throw error;
  }
};

/** A picked file is in a folder without links, as that one is listed. */
const realPick = async (
  kernel: Kernel,
  { kind, value }: PickedPlace,
  signal: AbortSignal,
): Promise<string> => {
  if (kind === "folder") return await realPath(kernel, value, signal);
  const at = value.lastIndexOf("/");
  if (kind !== "file" || at <= 0) return value;
  const folder = await realPath(kernel, value.slice(0, at), signal);
  return `${folder === "/" ? "" : folder}${value.slice(at)}`;
};

const undoSession = async (
  options: SessionsOptions,
  session: string,
  action: number,
  context: CallContext,
): Promise<string> => {
  const { kernel, onChange } = options;
  const call = { signal: context.signal, deadlineMs: callMs };
  const sessions = await kernel.sessions();
  const all = await sessions.list({ limit: sessionsListedMax }, call);
  const undone = all.sessions.find((each) => each.session === session);
  if (undone === undefined) {
    throw new OperationError("E_SESSION_UNKNOWN", "there is no such session");
  }
  const what = action === 0 ? "" : ` action ${action}`;
  const person = await kernel.person();
  const { session: own } = await person.utter(
    {
      session: "",
      text: `/undo ${session}${what}`,
      workspace: undone.workspace,
      agent: "planner",
      undoes: session,
    },
    call,
  );
  const updates = sessions.undo(
    { session, action, undoSession: own, onAsk: "prompt" },
    { deadlineMs: callMs },
  );
  for await (const _update of updates) break;
  onChange();
  return own;
};

interface PickedPlace {
  readonly kind: string;
  readonly value: string;
  readonly access: string;
}

const scopeOf = async (
  kernel: Kernel,
  session: string,
  request: Parameters<Offered["plan"]>[0],
  { signal }: CallContext,
) =>
  whereOffered(async () => {
    const scopes = await kernel.scopes();
    const { model, microusdMax, wallMinutesMax } = request;
    const bounds = { model, microusdMax, wallMinutesMax, actionsMax: 0 };
    const offer = (picks: readonly PickedPlace[]) =>
      scopes.proposeScope(
        { session, picks: [...picks], ...bounds },
        { signal, deadlineMs: callMs },
      );
    const real = async (pick: PickedPlace): Promise<PickedPlace> => ({
      ...pick,
      value: await realPick(kernel, pick, signal),
    });
    const picked = await Promise.all(request.picks.map(real));
    const offered = await offer(picked);
    const named = offered.scope?.folders ?? [];
    const isPicked = picked.some(({ kind }) => kind === "folder");
    if (offered.needless || isPicked || named.length === 0) return offered;
    // The Guardian reads the words and sees no files: what they name is looked up here.
    const found = named.map(({ path, access }) => real({ kind: "folder", value: path, access }));
    return await offer([...picked, ...(await Promise.all(found))]);
  }, undefined);

const dollars = (microusd: bigint): string => {
  const cents = (microusd + 5_000n) / 10_000n;
  return `$${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`;
};

const accessWords: Readonly<Record<string, string>> = {
  read: "read only",
  organise: "read, sort, rename",
  write: "read and write",
};

const linesOf = (scope: Awaited<ReturnType<typeof scopeOf>>) => {
  const read = scope?.scope;
  if (scope === undefined || read === undefined || scope.needless) return [];
  return [
    ...read.folders.map(({ path, access }) => ({
      what: "folder",
      detail: `${path}: ${accessWords[access] ?? access}`,
    })),
    ...(read.files ?? []).map((file) => ({ what: "file", detail: file })),
    ...(read.persons ?? []).map((person) => ({ what: "person", detail: person })),
    ...read.sites.map((site) => ({ what: "site", detail: site })),
    ...(read.groups.length === 0 ? [] : [{ what: "may", detail: read.groups.join(", ") }]),
    ...(read.model === ""
      ? []
      : [{ what: "model", detail: `${read.model}, at most ${dollars(read.microusdMax)}` }]),
    { what: "time", detail: `${read.wallMinutesMax} min, ${read.actionsMax} actions` },
  ];
};

const plan = async (
  options: SessionsOptions,
  request: Parameters<Offered["plan"]>[0],
  context: CallContext,
): ReturnType<Offered["plan"]> => {
  const { kernel, plans, nowMs, onChange } = options;
  const text = request.text.trim();
  if (text === "") throw badRequest("there are no words");
  const isDirect = text.startsWith("/");
  const agent = isDirect ? "planner" : "model";
  const picked = request.picks.find(({ kind }) => kind === "folder");
  const { value: folder = "", access = "" } = picked ?? {};
  const workspace = folder === "" ? "" : await realPath(kernel, folder, context.signal);
  const before = request.session === "" ? undefined : plans.get(request.session);
  if (request.session !== "" && before === undefined) {
    throw new OperationError("E_CONSOLE_PLAN_GONE", "what was planned is not there any more");
  }
  const { session: planned } = request;
  const opening = { session: planned, text, workspace, access, typed: request.typed };
  const session = await openSession(kernel, opening, agent, context);
  const scope = await scopeOf(kernel, session, request, context);
  const needed = scope !== undefined && !scope.needless;
  plans.put({
    session,
    browser: context.browser,
    text: before?.text ?? text,
    workspace,
    agent,
    model: request.model,
    microusdMax: request.microusdMax,
    wallMinutesMax: request.wallMinutesMax,
    scope: needed ? scope : undefined,
    plannedMs: nowMs(),
  });
  if (needed) onChange();
  return {
    session,
    card: needed ? scope.card : "",
    cardHash: needed ? scope.cardHash : new Uint8Array(0),
    scope: needed ? scope.canonical : new Uint8Array(0),
    lines: linesOf(scope),
    agent,
  };
};

const callOf = ({ signal }: CallContext) => ({ signal, deadlineMs: callMs });

type ViewCalls = Pick<Offered, "listSessions" | "getSession" | "getContent">;

const viewCalls = (kernel: Kernel): ViewCalls => ({
  listSessions: async ({ limit }, context) => {
    const sessions = await kernel.sessions();
    const { sessions: all } = await sessions.list(
      { limit: Math.min(limit === 0 ? sessionsListedMax : limit, sessionsListedMax) },
      callOf(context),
    );
    return {
      sessions: all.map(({ session, state, text, workspace, createdMs, actions, undoable }) => ({
        session,
        state,
        text,
        workspace,
        createdMs,
        actions,
        undoable,
      })),
    };
  },
  getSession: async ({ session }, context) => {
    const sessions = await kernel.sessions();
    for await (const { json, state, rests } of sessions.follow({ session }, callOf(context))) {
      return { json, state, rests };
    }
    throw new OperationError("E_SESSION_UNKNOWN", "the session has no state");
  },
  getContent: async (request, context) => {
    const sessions = await kernel.sessions();
    const { session, action, offset, length, part } = request;
    const asked = { session, action, offset, length, part };
    const piece = await sessions.content(asked, callOf(context));
    return { bytes: piece.bytes, total: piece.total };
  },
});

export const sessionCalls = (options: SessionsOptions): Offered => {
  const { kernel, plans, onChange } = options;
  return {
    ...viewCalls(kernel),
    plan: (request, context) => plan(options, request, context),
    begin: async ({ session, statement, signature, device }) => {
      const plan = plans.get(session);
      if (plan === undefined) {
        throw new OperationError("E_CONSOLE_PLAN_GONE", "what was planned is not there any more");
      }
      if (plan.scope !== undefined) {
        if (statement.length === 0) throw badRequest("the scope card waits for its answer");
        const scopes = await kernel.scopes();
        await scopes.acceptScope({ statement, signature, device }, { deadlineMs: callMs });
      }
      await beginPlan(options, plan);
      plans.take(session);
      return {};
    },
    stop: async ({ session }, context) => {
      const stopped = await meantToStop(kernel, session, context);
      const sent = await Promise.all(stopped.map((each) => stopOne(kernel, each, context)));
      // What was planned and not begun goes with its card.
      if (plans.get(session) !== undefined) plans.take(session);
      onChange();
      return { stopped: [...stopped], sent: sent.flat() };
    },
    undo: async ({ session, action }, context) => ({
      session: await undoSession(options, session, action, context),
    }),
    say: async ({ session, text }, context) => {
      if (text.trim() === "") throw badRequest("there are no words");
      await offered("speaking to a session", async () => {
        // The Guardian hears the words as the person's before the agent does.
        const person = await kernel.person();
        await person.utter({ session, text, agent: "person" }, callOf(context));
        await (await kernel.sessions()).say({ session, text }, callOf(context));
      });
      onChange();
      return {};
    },
    pause: async ({ session }, context) => {
      await (await kernel.sessions()).pause({ session }, callOf(context));
      onChange();
      return {};
    },
    resume: async ({ session, actions, minutes, tokens, microusd }, context) => {
      const budget = { actions, wallMs: BigInt(minutes) * 60_000n, tokens, microusd };
      await (await kernel.sessions()).resume({ session, budget }, callOf(context));
      onChange();
      return {};
    },
    resolve: async ({ session, resolution }, context) => {
      const sessions = await kernel.sessions();
      await sessions.resolve({ session, resolution }, callOf(context));
      onChange();
      return {};
    },
  };
};
