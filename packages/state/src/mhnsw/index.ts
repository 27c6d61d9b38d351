export { Commitment } from "./commitment.ts";
export { type Added, Graph, type GraphView } from "./graph.ts";
export { certify, type Certified, type Draw, type Searched } from "./nearest.ts";
export {
  batchMax,
  batchSize,
  checkParameters,
  codeOf,
  componentMax,
  componentMin,
  isBatchStart,
  levelMax,
  levelOf,
  lower,
  makeQuery,
  mhnswAlgorithm,
  type MhnswParameters,
  parametersComplaint,
  type Query,
  type StoredVector,
  upper,
} from "./parameters.ts";
export { prove, type Proved } from "./proof.ts";
export { type Answer, checkSearch, type Found, search, type SearchParameters } from "./search.ts";
export { type IndexTree, type IndexTreeKind, indexTree, leadingVector } from "./tree.ts";
export type { Indexed, VectorOf } from "./tree-proof.ts";
