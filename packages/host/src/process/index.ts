export * from "./descriptors.ts";
export { errors as processErrors } from "./errors.ts";
export * from "./limits.ts";
export * from "./metrics.ts";
export * from "./run.ts";
