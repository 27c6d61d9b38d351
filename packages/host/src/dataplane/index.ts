export { type Announced, type BulkOptions, BulkReceiver, BulkSender } from "./bulk.ts";
export { errors } from "./errors.ts";
export { type PlaneKind } from "./guard.ts";
export { bulkShape, makePlanes, type PlaneEnd, type Planes, takePlanes } from "./inherited.ts";
export * from "./limits.ts";
export { type PlaneOptions, PlaneReader, PlaneWriter } from "./plane.ts";
export { SharedRegion } from "./region.ts";
export { defaultShape, type PlaneShape, regionBytes } from "./slots.ts";
