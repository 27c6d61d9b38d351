export * from "./bundle.ts";
export { errors as verifyErrors } from "./errors.ts";
export * from "./limits.ts";
export * from "./log.ts";
