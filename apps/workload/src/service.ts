/** `ioi.kernel.v1.Sessions`, over the workload's own Unix socket in the data folder. */
import type { OnAsk } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { isAbsolute, normalize } from "node:path";
import { contentPieceBytesMax } from "./limits.ts";
import type { Followed, Sessions } from "./sessions.ts";

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

async function* updates(followed: Promise<Followed>, signal: AbortSignal) {
  yield* (await followed).follow(signal);
}

export const sessionsService = (sessions: Sessions): Implementation =>
  implement(pb.Sessions, {
    start: ({ session, text, workspace, onAsk }, { signal }) =>
      updates(
        (async () =>
          await sessions.start({
            session,
            text: text.toWellFormed(),
            workspace: workspaceOf(workspace),
            onAsk: onAskOf(onAsk),
          }))(),
        signal,
      ),
    follow: ({ session }, { signal }) => updates(sessions.follow(session), signal),
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
    content: async ({ session, action, offset, length }) => {
      if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw request("the offset is too large");
      const bound = length === 0 ? contentPieceBytesMax : Math.min(length, contentPieceBytesMax);
      const { bytes, total } = await sessions.content(session, action, Number(offset), bound);
      return { bytes, total: BigInt(total) };
    },
  });
