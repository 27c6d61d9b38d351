/** A driver's process. Which driver it is stands in the profile that the Guardian signed. */
import { loadDrivers, runDriverProcess } from "./core/process.ts";

// As every program of ours: with this argument only its code is loaded, for the runtime's cache.
if (process.argv[2] === "--load-only") await loadDrivers();
else await runDriverProcess();
