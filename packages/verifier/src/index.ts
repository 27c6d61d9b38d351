export * from "./chain.ts";
export { errors as verifierErrors } from "./errors.ts";
export * from "./limits.ts";
export * from "./recall.ts";
export * from "./recall-report.ts";
export * from "./receipts.ts";
export * from "./retrieval.ts";
