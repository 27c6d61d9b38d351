export * from "./compact.ts";
export * from "./errors.ts";
export * from "./file.ts";
export { createMemoryFile, type Place } from "./header.ts";
export type { NewSlot, Unlock } from "./keys.ts";
export * from "./limits.ts";
export * from "./open.ts";
export type { Memory, NewMemory } from "./memory.ts";
export type { Compacted, Origin, Parameters } from "./messages.ts";
