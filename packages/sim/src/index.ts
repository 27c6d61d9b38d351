export { SeededRandom as SimRandom } from "@ioi/base";
export { carelessFiles } from "./careless.ts";
export * from "./clock.ts";
export { SimFiles, type SimFilesOptions, SimStopped } from "./files.ts";
export * from "./key-value.ts";
export * from "./limits.ts";
export * from "./log.ts";
export * from "./machine.ts";
export * from "./spawn.ts";
