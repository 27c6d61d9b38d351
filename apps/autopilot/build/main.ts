/**
 * `node apps/autopilot/build/main.ts [PAGES]`: makes sure that the page of the present sources is
 * there and prints where, as one line of JSON. The launcher runs it beside the kernel.
 */
import { ensurePage } from "./page.ts";

try {
  process.stdout.write(`${JSON.stringify(await ensurePage(process.argv[2]))}\n`);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${message}\n`);
  process.exitCode = 5;
}
