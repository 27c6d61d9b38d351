/**
 * The certificate authorities of this machine, for egress, which has no files: read when it asks, once
 * in a life, by a thread that ends then, since it takes longer than the launcher may be away.
 *
 * Bounds: `authoritiesMax`, `authoritiesBytesMax`; more than that is cut, and said.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Log } from "@ioi/base";
import { authoritiesBytesMax, authoritiesMax } from "./limits.ts";

let found: Promise<readonly string[]> | undefined;

/** What the thread says; not one certificate that the runtime knows, and none twice. */
const read = async (log: Log): Promise<readonly string[]> => {
  const worker = new Worker(new URL("./authorities-thread.ts", import.meta.url));
  try {
    const [all] = (await once(worker, "message")) as [readonly string[]];
    const kept: string[] = [];
    let bytes = 0;
    for (const pem of all) {
      bytes += pem.length;
      if (kept.length >= authoritiesMax || bytes > authoritiesBytesMax) break;
      kept.push(pem);
    }
    log.log("info", "launcher.authorities", { found: all.length, kept: kept.length });
    return kept;
  } finally {
    await worker.terminate();
  }
};

const isQuestion = (message: unknown): boolean =>
  ((message ?? {}) as Readonly<Record<string, unknown>>)["type"] === "authorities";

/** Answers egress; a store that cannot be read is an empty one, and the log says so. */
export const answerAuthorities = (egress: ChildProcess, log: Log): void => {
  egress.on("message", (message: unknown) => {
    if (!isQuestion(message)) return;
    found ??= read(log).catch((error: unknown) => {
      const code = (error as { readonly code?: string }).code ?? "unknown";
      log.log("warn", "launcher.no-authorities", { code });
      return [];
    });
    void found.then((authorities) => {
      egress.send({ type: "authorities", authorities }, () => undefined);
    });
  });
};
