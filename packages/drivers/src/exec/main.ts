/** The exec driver's process. */
import { runDriverProcess } from "../core/process.ts";
import { ExecDriver } from "./driver.ts";

await runDriverProcess("exec", (engine, start) => new ExecDriver(engine, start.profile));
