export * from "./listeners.ts";
export * from "./processes.ts";
