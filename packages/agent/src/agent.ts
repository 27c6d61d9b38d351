/**
 * What an agent is: `observe -> propose | say | finish`, a function of everything that it was told so
 * far and of what its actions found. It keeps nothing that cannot be made again from these, so that
 * a restart loses nothing.
 *
 * The command planner, the model agent and a folder's program are such agents; whoever drives a
 * session chooses one and treats it like any other.
 */
import type { AgentStep, Observation } from "./session/messages.ts";
import type { SessionSnapshot } from "./session/state.ts";

/** What an agent was told in one turn; the first holds the goal. */
export interface Turn {
  readonly observation: Observation;
  /** What the person said since the turn before, oldest first. */
  readonly messages: readonly string[];
}

/** A stretch of what an action found, in bytes. */
export interface Stretch {
  /** The action. */
  readonly n: number;
  readonly offset: number;
  readonly length: number;
}

export interface Piece {
  /** Broken characters at its edges, or where it is no text, are U+FFFD. */
  readonly text: string;
  /** Of this piece; fewer than asked for only at the end. */
  readonly bytes: number;
  /** Of the whole. */
  readonly total: number;
}

/** What an agent may look at beyond its turns. */
export interface Look {
  readonly session: Pick<
    SessionSnapshot,
    | "session"
    | "goal"
    | "workspace"
    | "roots"
    | "servers"
    | "model"
    | "folder"
    | "actions"
    | "attachments"
    | "persons"
  >;
  /** `none`: the action has no such content any more; undefined: it is not at hand, ask for it. */
  piece(stretch: Stretch): Piece | "none" | undefined;
}

/** A step, or what the agent has to see before it can take one. */
export type AgentReply =
  | AgentStep
  | { readonly type: "read"; readonly stretches: readonly Stretch[] };

export interface Agent {
  step(turns: readonly Turn[], look: Look): AgentReply;
}

/** What nobody has to look at: for agents that go by their turns alone. */
export const turnsOf = (observations: readonly Observation[]): readonly Turn[] =>
  observations.map((observation) => ({ observation, messages: [] }));
