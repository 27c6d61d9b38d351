/**
 * The agent of one session: the one that its goal names, given what it has to see. Built-in agents
 * answer at once; a program is asked over its lines.
 *
 * Invariant: an agent gets what the journal holds and nothing else, so that a new one goes on where
 * the last one was.
 */
import {
  type Agent,
  type AgentStep,
  commandAgent,
  type KeptBytes,
  type Look,
  lookAt,
  modelAgent,
  type SessionSnapshot,
  type Stretch,
} from "@ioi/agent";
import { assert, OperationError } from "@ioi/base";
import type { AgentLink, Contents } from "./ends.ts";
import { looksMax } from "./limits.ts";
import { ProgramAgent } from "./program-agent.ts";
import type { Told } from "./told.ts";

const keyOf = ({ n, offset, length }: Stretch): string => `${n}/${offset}/${length}`;

/** What lies behind handles, read as an agent asks for it; forgotten after each step. */
export class Shelf {
  readonly #state: SessionSnapshot;
  readonly #contents: Contents;
  readonly #read: Map<string, KeptBytes | "none"> = new Map();
  readonly look: Look;

  constructor(state: SessionSnapshot, contents: Contents) {
    this.#state = state;
    this.#contents = contents;
    this.look = lookAt(state, (stretch) => this.#read.get(keyOf(stretch)));
  }

  async fetch(stretch: Stretch): Promise<void> {
    const handle = this.#state.actions[stretch.n - 1]?.outcome?.handle;
    const piece =
      handle === undefined
        ? undefined
        : await this.#contents.read(handle, stretch.offset, stretch.length);
    this.#read.set(keyOf(stretch), piece ?? "none");
  }

  clear(): void {
    this.#read.clear();
  }
}

export interface SeatEnds {
  readonly contents: Contents;
  readonly program: (signal: AbortSignal) => Promise<AgentLink>;
}

export class AgentSeat {
  readonly #shelf: Shelf;
  readonly #ends: SeatEnds;
  readonly #state: SessionSnapshot;
  #agent: Agent | ProgramAgent | undefined;

  /** `state` is the machine's own; its goal is known once the session was started. */
  constructor(ends: SeatEnds, state: SessionSnapshot) {
    this.#shelf = new Shelf(state, ends.contents);
    this.#ends = ends;
    this.#state = state;
  }

  #choose(): Agent | ProgramAgent {
    const { goal, folder } = this.#state;
    if (goal.kind === "model") return modelAgent(goal);
    if (goal.kind !== "folder") return commandAgent(goal);
    assert(folder !== undefined, "a folder agent without its folder");
    return new ProgramAgent(this.#ends.program, folder);
  }

  /** The step that answers this turn. */
  async step(told: Told, turn: number, signal: AbortSignal): Promise<AgentStep> {
    this.#agent ??= this.#choose();
    const agent = this.#agent;
    try {
      return agent instanceof ProgramAgent
        ? await agent.step(told, turn, this.#shelf, signal)
        : await this.#ask(agent, told, turn);
    } finally {
      this.#shelf.clear();
    }
  }

  async #ask(agent: Agent, told: Told, turn: number): Promise<AgentStep> {
    const turns = told.upTo(turn);
    for (let looks = 0; looks < looksMax; looks++) {
      const reply = agent.step(turns, this.#shelf.look);
      if (reply.type !== "read") return reply;
      for (const stretch of reply.stretches) await this.#shelf.fetch(stretch);
    }
    throw new OperationError("E_AGENT_PROTOCOL", `the agent looked ${looksMax} times for one step`);
  }

  /** Ends what runs for the agent; it begins anew with the next step. */
  async rest(): Promise<void> {
    if (this.#agent instanceof ProgramAgent) await this.#agent.rest();
  }
}
