import { serve } from "../../lib/threads.ts";
import { runTask } from "./tasks.ts";

serve(runTask);
