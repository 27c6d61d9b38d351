/**
 * End-to-end tests start some hundred command lines. The runtime keeps what it compiled of them, so
 * that each takes half the time; processes of the kernel never see this variable.
 */
import path from "node:path";
import { projectRoot } from "../lib/kernel.ts";

process.env["NODE_COMPILE_CACHE"] ??= path.join(projectRoot, "node_modules/.cache/e2e");
