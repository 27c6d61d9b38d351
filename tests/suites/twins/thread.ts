/** A thread of `suite twins`: the tasks that it is sent, one after another. */
import { serve } from "../../lib/threads.ts";
import { runTask } from "./tasks.ts";

serve(runTask);
