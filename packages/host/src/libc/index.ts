export * from "./errors.ts";
export * from "./ffi.ts";
export { type Gcm, gcmOf, gcmTagBytes } from "./gcm.ts";
export * from "./process-hardening.ts";
export * from "./sockets.ts";
export * from "./memory-files.ts";
export * from "./pass-descriptor.ts";
