/**
 * Independent tasks shared out among threads, one for each core: each takes the next task when it is done
 * with one. Bound: `threadsMax`.
 */
import { once } from "node:events";
import os from "node:os";
import { parentPort, Worker } from "node:worker_threads";
import { InvariantError } from "@ioi/base";

const threadsMax = 16;

export interface Threads<Task, Answer> {
  readonly count: number;
  /** The answers in the order of their tasks. One call at a time. */
  run(
    tasks: readonly Task[],
    onAnswer?: (answer: Answer, done: number) => void,
  ): Promise<readonly Answer[]>;
}

/** `module` calls `serve` in its threads, which live as long as `use` runs. */
export const withThreads = async <Task, Answer, Result>(
  module: URL,
  signal: AbortSignal,
  use: (threads: Threads<Task, Answer>) => Promise<Result>,
  countMax: number = threadsMax,
): Promise<Result> => {
  signal.throwIfAborted();
  const count = Math.max(1, Math.min(os.availableParallelism(), threadsMax, countMax));
  const workers = Array.from({ length: count }, () => new Worker(module));
  const exits = workers.map((worker) =>
    once(worker, "exit").then(() => {
      signal.throwIfAborted();
      throw new InvariantError("a thread ended before its tasks");
    }),
  );
  const end = (): void => {
    for (const worker of workers) void worker.terminate();
  };
  signal.addEventListener("abort", end, { once: true });
  const run: Threads<Task, Answer>["run"] = async (tasks, onAnswer = () => undefined) => {
    const answers: Answer[] = [];
    let [next, done] = [0, 0];
    const work = async (worker: Worker, exit: Promise<never> | undefined): Promise<void> => {
      for (let at = next++; at < tasks.length; at = next++) {
        worker.postMessage(tasks[at]);
        const [answer] = (await Promise.race([once(worker, "message"), exit])) as [Answer];
        answers[at] = answer;
        done += 1;
        onAnswer(answer, done);
      }
    };
    await Promise.all(workers.map((worker, index) => work(worker, exits[index])));
    return answers;
  };
  try {
    return await use({ count, run });
  } finally {
    for (const exit of exits) exit.catch(() => undefined);
    signal.removeEventListener("abort", end);
    end();
  }
};

export const runInThreads = <Task, Answer>(
  module: URL,
  tasks: readonly Task[],
  signal: AbortSignal,
  onAnswer?: (answer: Answer, done: number) => void,
): Promise<readonly Answer[]> =>
  withThreads<Task, Answer, readonly Answer[]>(
    module,
    signal,
    (threads) => threads.run(tasks, onAnswer),
    tasks.length,
  );

export const serve = <Task, Answer>(run: (task: Task) => Promise<Answer>): void => {
  const port = parentPort;
  if (port === null) throw new InvariantError("this module runs in a thread");
  port.on("message", (task: Task) => {
    void run(task).then((answer) => port.postMessage(answer));
  });
};
