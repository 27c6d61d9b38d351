export * from "./canonical.ts";
export * from "./errors.ts";
export * from "./jcs.ts";
export * from "./json.ts";
export * from "./limits.ts";
export * from "./messages/index.ts";
export * as pb from "./pb.ts";
export * as schema from "./schema.ts";
export type { Infer, Schema } from "./schema.ts";
