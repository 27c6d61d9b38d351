/**
 * Questions of a gate to its client, on a relay that runs: see {@link ClientQuestions}. Bounds:
 * `mcpQuestionMsMax` for an answer; one question for each held call.
 */
import { mcpQuestionMsMax } from "../limits.ts";
import { readMessage } from "./messages.ts";
import { type ClientAnswer, ClientQuestions, questionMark } from "./questions.ts";
import type { McpRelay } from "./relay.ts";

/** `none`: the client cannot be asked. `late`: nobody answered in time. */
export interface AskedClient {
  readonly answer: ClientAnswer | "none" | "late";
  /** What the client calls itself; a claim. */
  readonly client: string;
}

export class ClientAsking {
  readonly #machine: McpRelay;
  readonly #toClient: (bytes: Uint8Array) => void;
  readonly #questions = new ClientQuestions();
  readonly #waiting: Map<number, (answer: ClientAnswer | "late") => void> = new Map();
  /** The client has said what it can do. */
  #began = false;

  constructor(machine: McpRelay, toClient: (bytes: Uint8Array) => void) {
    this.#machine = machine;
    this.#toClient = toClient;
  }

  /** Asks about a call that is held under the key. */
  async ask(key: number, text: string): Promise<AskedClient> {
    const call = this.#waiting.has(key) ? undefined : this.#machine.heldCall(key);
    const question = call === undefined ? undefined : this.#questions.ask(key, call.request, text);
    if (call === undefined || question === undefined) return { answer: "none", client: "" };
    if (question.parks) this.#machine.park(key, call);
    const answered = new Promise<ClientAnswer | "late">((resolve) => {
      this.#waiting.set(key, resolve);
    });
    const timer = setTimeout(() => this.end(key), mcpQuestionMsMax);
    this.#toClient(question.bytes);
    const answer = await answered;
    clearTimeout(timer);
    return { answer, client: this.#questions.nameOf(call.request) };
  }

  /** Whether a message of the client was for us: the answer to a question, or a call with it. */
  isAnswer(bytes: Uint8Array): boolean {
    const look = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#began && !look.includes(questionMark)) return false;
    const message = readMessage(bytes);
    if (!message.ok) return false;
    this.#began ||= message.value.type === "request" && message.value.method === "initialize";
    const heard = this.#questions.heard(message.value);
    switch (heard.type) {
      case "other":
        return false;
      case "late":
        return true;
      case "refused":
        this.#toClient(heard.bytes);
        return true;
      case "answer":
        this.#tell(heard.key, heard.answer);
        return true;
      case "again":
        // Under an id that is taken it is a call like any other, and refused as one.
        if (this.#machine.resume(heard.key, heard.call)) this.#tell(heard.key, heard.answer);
        else this.#machine.fromClient(heard.call.bytes);
        return true;
    }
  }

  /** What was asked about is over; the client is told that nobody waits for its answer. */
  end(key: number): void {
    if (!this.#waiting.has(key)) return;
    const takenBack = this.#questions.forget(key);
    if (takenBack !== undefined) this.#toClient(takenBack);
    this.#tell(key, "late");
  }

  endAll(): void {
    for (const key of this.#waiting.keys()) this.end(key);
  }

  #tell(key: number, answer: ClientAnswer | "late"): void {
    const tell = this.#waiting.get(key);
    this.#waiting.delete(key);
    tell?.(answer);
  }
}
