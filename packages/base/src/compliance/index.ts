export * from "./clock.ts";
export * from "./files.ts";
export * from "./harness.ts";
export * from "./key-value.ts";
export * from "./log.ts";
export * from "./random.ts";
export * from "./runner.ts";
export * from "./spawn.ts";
