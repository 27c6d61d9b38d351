/**
 * Judges texts of the policy in a thread of its own: comparing two of them may take seconds, and the
 * gate must not wait. One task at a time; the thread is ended when a task takes too long or too much
 * memory, and when nothing was asked for a while.
 */
import { Worker } from "node:worker_threads";
import { OperationError } from "@ioi/base";
import type { PolicyBench } from "@ioi/guardian";
import type { PolicyAnswer, PolicyTask } from "@ioi/guardian/policy-tasks";
import { policyHeapMiBMax, policyIdleMs, policyTaskMsMax, policyTasksMax } from "./limits.ts";

const start = (): Worker =>
  new Worker(new URL("./policy-thread.ts", import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: policyHeapMiBMax },
    stdout: true,
    stderr: true,
  });

const slow = (why: string): OperationError => new OperationError("E_POLICY_SLOW", why);

export class PolicyThread implements PolicyBench, AsyncDisposable {
  readonly #taskMsMax: number;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(taskMsMax: number = policyTaskMsMax) {
    this.#taskMsMax = taskMsMax;
  }

  async run(task: PolicyTask): Promise<PolicyAnswer> {
    if (this.#waiting >= policyTasksMax) throw slow(`${this.#waiting} questions wait already`);
    this.#waiting++;
    const running = this.#last.then(() => this.#ask(task));
    this.#last = running.catch(() => undefined);
    try {
      return await running;
    } finally {
      this.#waiting--;
    }
  }

  async #ask(task: PolicyTask): Promise<PolicyAnswer> {
    clearTimeout(this.#idle);
    this.#worker ??= start();
    const worker = this.#worker;
    try {
      const answer = await this.#answer(worker, task);
      this.#idle = setTimeout(() => void this.#end(), policyIdleMs).unref();
      return answer;
    } catch (error) {
      await this.#end();
      throw error;
    } finally {
      worker.unref();
    }
  }

  #answer(worker: Worker, task: PolicyTask): Promise<PolicyAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<PolicyAnswer>();
    worker.ref();
    const late = setTimeout(() => reject(slow(`more than ${this.#taskMsMax} ms`)), this.#taskMsMax);
    const onError = (error: Error & { readonly code?: string }): void =>
      reject(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? slow("it takes too much memory") : error);
    const onExit = (): void => reject(slow("the thread ended"));
    worker.on("message", resolve).on("error", onError).on("exit", onExit);
    worker.postMessage(task);
    return promise.finally(() => {
      clearTimeout(late);
      worker.off("message", resolve).off("error", onError).off("exit", onExit);
    });
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}
