/**
 * An agent that is a program in a sandbox, spoken to in lines (`ioi/agent/1`).
 *
 * It is a stranger: it gets no content but its observations, what it writes is read only while an
 * answer is due, and it is killed where it writes too much, answers late or breaks the protocol. A
 * program that ended by itself is started anew a bounded number of times and told everything again;
 * it has to take the same steps.
 */
import {
  type AgentFolder,
  type AgentReply,
  agentReadsMax,
  agentRestartsMax,
  agentStepBytesMax,
  type AgentStep,
  clip,
  contentLine,
  observeLine,
  readAgentLine,
  reasonCharsMax,
  shownStretch,
  startLine,
  type Stretch,
} from "@ioi/agent";
import { assert, equalBytes, OperationError } from "@ioi/base";
import type { AgentLink } from "./ends.ts";
import { stepDigest, type Told } from "./told.ts";

/** Where the program finds what it reads. */
export interface ProgramShelf {
  readonly look: Parameters<typeof observeLine>[2];
  fetch(stretch: Stretch): Promise<void>;
}

interface Running {
  readonly link: AgentLink;
  /** Turns that it answered. */
  answered: number;
}

/** The program ended before it answered. */
class Died extends Error {}

const quotedTail = (text: string): string => {
  const tail = text.trim().slice(-600).toWellFormed();
  return tail === "" ? "" : `; its error output ends with: ${tail}`;
};

export class ProgramAgent {
  readonly #start: (signal: AbortSignal) => Promise<AgentLink>;
  readonly #folder: AgentFolder;
  #running: Running | undefined;
  #restarts = 0;

  constructor(start: (signal: AbortSignal) => Promise<AgentLink>, folder: AgentFolder) {
    this.#start = start;
    this.#folder = folder;
  }

  async step(
    told: Told,
    turn: number,
    shelf: ProgramShelf,
    signal: AbortSignal,
  ): Promise<AgentStep> {
    // A turn that is asked again was answered by a program that cannot unsay it.
    if ((this.#running?.answered ?? 0) > turn) await this.rest();
    for (;;) {
      try {
        return await this.#upTo(told, turn, shelf, signal);
      } catch (error) {
        const errors = this.#running?.link.errors() ?? "";
        await this.rest();
        if (!(error instanceof Died)) throw error;
        this.#restarts += 1;
        if (this.#restarts <= agentRestartsMax) continue;
        const message = `the program of ${this.#folder.name} ended before it answered${quotedTail(errors)}`;
        throw new OperationError("E_AGENT_DIED", clip(message, reasonCharsMax));
      }
    }
  }

  /** Kills the program; the next step starts it anew. */
  async rest(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.link.kill();
  }

  async #upTo(
    told: Told,
    turn: number,
    shelf: ProgramShelf,
    signal: AbortSignal,
  ): Promise<AgentStep> {
    this.#running ??= await this.#begin(shelf, signal);
    const running = this.#running;
    while (running.answered < turn) {
      const at = running.answered;
      const step = await this.#answer(running, told, at, shelf, signal);
      const before = told.digestOf(at);
      if (before === undefined || !equalBytes(before, stepDigest(step))) {
        throw new OperationError(
          "E_AGENT_DIVERGES",
          `started anew, the program answered observation ${at} otherwise than before`,
        );
      }
    }
    return await this.#answer(running, told, turn, shelf, signal);
  }

  async #begin(shelf: ProgramShelf, signal: AbortSignal): Promise<Running> {
    const link = await this.#start(signal);
    link.send(startLine(shelf.look));
    return { link, answered: 0 };
  }

  async #answer(
    running: Running,
    told: Told,
    turn: number,
    shelf: ProgramShelf,
    signal: AbortSignal,
  ): Promise<AgentStep> {
    const { link } = running;
    const observed = told.upTo(turn)[turn];
    assert(observed !== undefined, "a program is asked without a turn");
    let line = observeLine(turn, observed, shelf.look);
    if (line === undefined && observed.observation.type === "outcome") {
      await shelf.fetch(shownStretch(observed.observation.n));
      line = observeLine(turn, observed, shelf.look);
    }
    assert(line !== undefined, "an observation's content is not at hand");
    link.takeBytes();
    link.send(line);
    const until = AbortSignal.any([signal, AbortSignal.timeout(this.#folder.stepMs)]);
    for (let reads = 0; reads <= agentReadsMax; reads++) {
      const reply = await this.#reply(link, turn, until, signal);
      if (reply.type !== "read") {
        running.answered = turn + 1;
        return reply;
      }
      for (const stretch of reply.stretches) {
        if (shelf.look.piece(stretch) === undefined) await shelf.fetch(stretch);
        link.send(contentLine(turn, stretch, shelf.look.piece(stretch)));
      }
    }
    throw new OperationError("E_AGENT_FLOOD", `more than ${agentReadsMax} reads in one step`);
  }

  async #reply(
    link: AgentLink,
    turn: number,
    until: AbortSignal,
    signal: AbortSignal,
  ): Promise<AgentReply> {
    const line = await this.#line(link, until, signal);
    if (link.takeBytes() > agentStepBytesMax) {
      throw new OperationError("E_AGENT_FLOOD", `more than ${agentStepBytesMax} bytes in one step`);
    }
    const reply = readAgentLine(line, turn);
    if (reply.ok) return reply.value;
    const message = `the program of ${this.#folder.name}: ${reply.error}`;
    throw new OperationError("E_AGENT_PROTOCOL", clip(message, reasonCharsMax));
  }

  async #line(link: AgentLink, until: AbortSignal, signal: AbortSignal): Promise<Uint8Array> {
    try {
      const line = await link.next(until);
      if (line === undefined) throw new Died();
      return line;
    } catch (error) {
      if (signal.aborted || !until.aborted || error instanceof OperationError) throw error;
      const message = `the program of ${this.#folder.name} did not answer within ${this.#folder.stepMs} ms`;
      throw new OperationError("E_AGENT_HUNG", message);
    }
  }
}
