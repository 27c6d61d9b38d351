/** Runs the self-test as whoever starts it and prints its report as one line of JSON. */
import { selfTest } from "@ioi/host/sandbox";

const report = await selfTest({ quick: process.argv.includes("--quick") });
process.stdout.write(`${JSON.stringify(report)}\n`);
