export * from "./domains.ts";
export * from "./errors.ts";
export * from "./limits.ts";
export * from "./merkle-tree.ts";
export * from "./merkle-verify.ts";
export * from "./provider.ts";
export * from "./signed.ts";
