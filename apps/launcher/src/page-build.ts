/**
 * Sees to it that the page of these sources is built, once the kernel is ready: it takes seconds at
 * the first start and a look at later ones. Nothing waits for it; what went wrong is in the log.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Log } from "@ioi/base";
import { pageBuildMs, pageBuildTextMax } from "./limits.ts";

const quiet = ["--disable-warning=ExperimentalWarning"];
const builder = fileURLToPath(new URL("../../autopilot/build/main.ts", import.meta.url));

/** Resolves when the builder is gone, however it ended. */
export const buildPage = (root: string, log: Log, signal: AbortSignal): Promise<void> => {
  const child = spawn(process.execPath, [...quiet, builder, root, "--beside"], {
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8" },
    // Its standard input ends with this process, and the builder with it.
    stdio: ["pipe", "pipe", "pipe"],
    timeout: pageBuildMs,
    killSignal: "SIGKILL",
    signal,
  });
  let [said, failed] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(0, pageBuildTextMax);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    failed = (failed + text).slice(0, pageBuildTextMax);
  });
  return new Promise((resolve) => {
    child.on("error", () => {
      if (!signal.aborted) log.log("error", "launcher.page-failed");
      if (child.pid === undefined) resolve();
    });
    child.on("close", (code) => {
      if (code === 0)
        log.log("info", "launcher.page-ready", { built: said.includes('"built":true') });
      else if (!signal.aborted)
        log.log("error", "launcher.page-failed", { code: code ?? undefined, message: failed });
      resolve();
    });
  });
};
