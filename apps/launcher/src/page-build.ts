/**
 * Sees to it that the page of these sources is built, once the kernel is ready: it takes seconds at
 * the first start and a look at later ones. Nothing waits for it; what went wrong is in the log.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Log } from "@ioi/base";
import { pageBuildMs, pageBuildTextMax } from "./limits.ts";

const builder = fileURLToPath(new URL("../../autopilot/build/main.ts", import.meta.url));

/** Returns the way to end it early. */
export const buildPage = (root: string, log: Log): (() => void) => {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", builder, root], {
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: pageBuildMs,
    killSignal: "SIGKILL",
  });
  let [said, failed] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(0, pageBuildTextMax);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    failed = (failed + text).slice(0, pageBuildTextMax);
  });
  child.on("error", () => log.log("error", "launcher.page-failed"));
  child.on("close", (code) => {
    if (code === 0)
      log.log("info", "launcher.page-ready", { built: said.includes('"built":true') });
    else log.log("error", "launcher.page-failed", { code: code ?? undefined, message: failed });
  });
  return () => void child.kill("SIGKILL");
};
