export * from "./certificates.ts";
export * from "./errors.ts";
export * from "./limits.ts";
export * from "./program-authority.ts";
export * from "./provider.ts";
export * from "./tls.ts";
