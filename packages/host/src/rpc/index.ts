export * from "./client.ts";
export { errors as rpcErrors } from "./errors.ts";
export * from "./limits.ts";
export * from "./queue.ts";
export * from "./server.ts";
export * from "./tunnel.ts";
