export { errors } from "./errors.ts";
export { type PlaneKind } from "./guard.ts";
export * from "./limits.ts";
export { type PlaneOptions, PlaneReader, PlaneWriter } from "./plane.ts";
export { SharedRegion } from "./region.ts";
export { defaultShape, type PlaneShape, regionBytes } from "./slots.ts";
