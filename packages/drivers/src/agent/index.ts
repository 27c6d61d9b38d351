export { openManifest, programOf } from "./folder.ts";
export { type AgentManifest, manifestName, readManifest } from "./manifest.ts";
