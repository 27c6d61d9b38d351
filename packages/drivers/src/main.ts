/** A driver's process. Which driver it is stands in the profile that the Guardian signed. */
import { runDriverProcess } from "./core/process.ts";

await runDriverProcess();
