export { errors } from "./errors.ts";
export { jellyfishCut, jellyfishPartEntries, jellyfishParts } from "./jellyfish/parts.ts";
export { decodeProof as decodeJellyfishProof, type JellyfishProof } from "./jellyfish/proof.ts";
export { jellyfish, jellyfishEmptyRoot, jellyfishHashBytes } from "./jellyfish/tree.ts";
export * from "./limits.ts";
export * as mhnsw from "./mhnsw/index.ts";
export { MemoryStore, type TreeStore } from "./store.ts";
export type {
  AbsentError,
  AuthenticatedTree,
  PresentError,
  StateEntry,
  StateProof,
  StateProofError,
  StateView,
  TreeKind,
  VersionError,
} from "./tree.ts";
