/**
 * Independent tasks shared out among threads, one for each core: each takes the next task when it is done
 * with one. Bound: `threadsMax`.
 */
import { once } from "node:events";
import os from "node:os";
import { parentPort, Worker } from "node:worker_threads";
import { InvariantError } from "@ioi/base";

const threadsMax = 16;

/** `module` calls `serve` in its threads. */
export const runInThreads = async <Task, Answer>(
  module: URL,
  tasks: readonly Task[],
  signal: AbortSignal,
  onAnswer: (answer: Answer, done: number) => void = () => undefined,
): Promise<readonly Answer[]> => {
  signal.throwIfAborted();
  const answers: Answer[] = [];
  let [next, done] = [0, 0];
  const count = Math.min(os.availableParallelism(), threadsMax, tasks.length);
  const workers = Array.from({ length: count }, () => new Worker(module));
  const end = (): void => {
    for (const worker of workers) void worker.terminate();
  };
  signal.addEventListener("abort", end, { once: true });
  const work = async (worker: Worker): Promise<void> => {
    const exit = once(worker, "exit").then(() => {
      signal.throwIfAborted();
      throw new InvariantError("a thread ended before its tasks");
    });
    for (let at = next++; at < tasks.length; at = next++) {
      worker.postMessage(tasks[at]);
      const [answer] = (await Promise.race([once(worker, "message"), exit])) as [Answer];
      answers[at] = answer;
      done += 1;
      onAnswer(answer, done);
    }
    exit.catch(() => undefined);
  };
  try {
    await Promise.all(workers.map(work));
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
  return answers;
};

export const serve = <Task, Answer>(run: (task: Task) => Promise<Answer>): void => {
  const port = parentPort;
  if (port === null) throw new InvariantError("this module runs in a thread");
  port.on("message", (task: Task) => {
    void run(task).then((answer) => port.postMessage(answer));
  });
};
