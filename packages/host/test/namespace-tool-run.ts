/** The self-test of the kinds that differ by tool, in a process of its own: a tool is chosen once. */
import { selfTest } from "../src/sandbox/index.ts";

const report = await selfTest({ quick: true, kinds: ["guardian", "exec", "command-in-driver"] });
process.stdout.write(JSON.stringify(report));
