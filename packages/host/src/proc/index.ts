export * from "./callers.ts";
export * from "./listeners.ts";
export * from "./processes.ts";
