/**
 * The series of the other processes, for /metrics. The Orchestrator has no way to them: it asks the
 * launcher, over the channel that the launcher opened, and shows its own alone where no answer
 * comes in time.
 *
 * Bounds: one question at a time, whoever asks; {@link scrapeMs}.
 */
import { type Implementation, implement, MessageQueue } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { scrapeMs } from "./limits.ts";

export class Scrapes {
  #questions: MessageQueue<Record<string, never>> | undefined;
  #answer: ((text: string) => void) | undefined;
  #asking: Promise<string> | undefined;
  /** Replies that nobody waits for any more: they come in order, before the next one. */
  #late = 0;

  /** What the launcher calls. */
  readonly service: Implementation = implement(pb.Scrape, {
    gather: (replies) => this.#gather(replies),
  });

  /** Empty where nobody answers. */
  others(): Promise<string> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<string> {
    const questions = this.#questions;
    if (questions === undefined) return "";
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#answer = resolve;
    const timer = setTimeout(() => {
      this.#late++;
      resolve("");
    }, scrapeMs);
    questions.push({});
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#answer = undefined;
    }
  }

  async *#gather(
    replies: AsyncIterable<pb.MetricsReply>,
  ): AsyncGenerator<Record<string, never>, void, undefined> {
    const questions = new MessageQueue<Record<string, never>>();
    this.#questions?.finish();
    this.#questions = questions;
    this.#late = 0;
    const reading = (async () => {
      for await (const { prometheus } of replies) {
        if (this.#questions !== questions) return;
        if (this.#late > 0) this.#late--;
        else this.#answer?.(prometheus);
      }
    })();
    reading.then(
      () => questions.finish(),
      () => questions.finish(),
    );
    try {
      yield* questions;
    } finally {
      if (this.#questions === questions) {
        this.#questions = undefined;
        this.#answer?.("");
      }
    }
  }
}
