export * from "./clock.ts";
export * from "./data-folder.ts";
export * from "./errors.ts";
export { openFiles } from "./files.ts";
export * from "./limits.ts";
export * from "./log.ts";
export * from "./random.ts";
