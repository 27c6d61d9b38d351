/**
 * `node apps/autopilot/build/main.ts [PAGES] [--beside]`: makes sure that the page of the present
 * sources is there and prints where, as one line of JSON. The launcher runs it beside the kernel;
 * with `--beside` it ends when its standard input does, which is when the launcher is gone.
 */
import type { Socket } from "node:net";
import { ensurePage } from "./page.ts";

if (process.argv.includes("--beside")) {
  process.stdin.on("close", () => process.exit(5));
  process.stdin.resume();
  (process.stdin as Partial<Socket>).unref?.();
}

try {
  process.stdout.write(`${JSON.stringify(await ensurePage(process.argv[2]))}\n`);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${message}\n`);
  process.exitCode = 5;
}
