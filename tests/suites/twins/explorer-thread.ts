/** A thread of an exploration: it opens the engine first, and loads everything else after that. */
import type { Answer, Task } from "./explorer.ts";
import { openEngines } from "./opened.ts";

openEngines();
const [{ serve }, { runTask }] = await Promise.all([
  import("../../lib/threads.ts"),
  import("./explorer.ts"),
]);

serve<Task, Answer>((task) => Promise.resolve(runTask(task)));
