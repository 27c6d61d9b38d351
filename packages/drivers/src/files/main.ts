/** The files driver's process. */
import { runDriverProcess } from "../core/process.ts";
import { FilesDriver } from "./driver.ts";

await runDriverProcess("files", (engine) => new FilesDriver(engine));
