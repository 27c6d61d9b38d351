/**
 * The launcher's part in /metrics: it alone reaches every process. For each question of the
 * Orchestrator it asks the others, adds its own series, and answers with what came.
 */
import { counter, gauge, mergeMetrics, metricsText, startMetrics } from "@ioi/host/process";
import { type Client, client, type Channel, MessageQueue } from "@ioi/host/rpc";
import { type Log, OperationError } from "@ioi/base";
import { pb } from "@ioi/wire";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { metricsMs } from "./limits.ts";
import type { ProcessView } from "./status.ts";

/** What the launcher knows and nobody else does. Call once. */
export const launcherMetrics = (views: () => readonly ProcessView[]) => {
  startMetrics("launcher");
  const memory = gauge("ioi_process_pss_bytes", "Proportional set size, with all below it.", [
    "name",
  ]);
  const count = gauge("ioi_processes", "Processes of the kernel, drivers included.", ["name"]);
  const restarts = counter("ioi_kernel_restarts_total", "Lives that ended before they should.");
  return {
    restarted: () => restarts.inc(),
    /** Just before they are read: looking costs, and nobody may ever ask. */
    update: () => {
      memory.reset();
      count.reset();
      for (const { name, pssKib } of views()) {
        memory.inc({ name }, Number(pssKib) * 1024);
        count.inc({ name });
      }
    },
  };
};

/** Answers until the Orchestrator ends. */
export const answerScrapes = async (
  orchestrator: Channel,
  others: () => readonly Client<typeof pb.Process>[],
  update: () => void,
  log: Log,
): Promise<void> => {
  const replies = new MessageQueue<MessageInitShape<typeof pb.MetricsReplySchema>>();
  const questions = client(pb.Scrape, orchestrator).gather(replies, {
    deadlineMs: Number.POSITIVE_INFINITY,
  });
  try {
    for await (const _question of questions) {
      const answers = await Promise.allSettled(
        others().map((control) => control.metrics({}, { deadlineMs: metricsMs })),
      );
      update();
      const texts = answers.map((each) =>
        each.status === "fulfilled" ? each.value.prometheus : "",
      );
      replies.push({ prometheus: mergeMetrics([await metricsText(), ...texts]) });
    }
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    log.log("info", "launcher.scrapes-ended", { code: error.code });
  } finally {
    replies.finish();
  }
};
