/** The thread that judges texts of the policy; see `policy-bench.ts`. It holds no key and no log. */
import { parentPort } from "node:worker_threads";
import { type PolicyTask, runPolicyTask } from "@ioi/guardian/policy-tasks";
import { nodeCrypto } from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/ports";

parentPort?.on("message", (task: PolicyTask) => {
  parentPort?.postMessage(runPolicyTask(task, { hashing: nodeCrypto, parseUrl }));
});
