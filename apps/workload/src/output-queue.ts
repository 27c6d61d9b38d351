/** What waits for one follower of a session's output; what a slow one has no room for is dropped. */
import type { ActionOutput } from "./calls.ts";
import { waitingOutputCharsMax } from "./limits.ts";

export class OutputQueue {
  #waiting: ActionOutput[] = [];
  #chars = 0;
  #dropped = false;

  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  push(output: ActionOutput): void {
    if (output.text === "") return;
    if (this.#chars + output.text.length > waitingOutputCharsMax) {
      this.#dropped = true;
      return;
    }
    const last = this.#waiting.at(-1);
    this.#chars += output.text.length;
    const same = last?.action === output.action && last.stream === output.stream;
    if (last === undefined || !same || this.#dropped) this.#waiting.push(this.#marked(output));
    else this.#waiting[this.#waiting.length - 1] = { ...last, text: last.text + output.text };
  }

  #marked(output: ActionOutput): ActionOutput {
    if (!this.#dropped) return output;
    this.#dropped = false;
    return { ...output, text: `\n[…]\n${output.text}` };
  }

  take(): readonly ActionOutput[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.#chars = 0;
    return taken;
  }
}
