export { Commitment } from "./commitment.ts";
export { type Added, Graph, type GraphView } from "./graph.ts";
export {
  checkParameters,
  codeOf,
  componentMax,
  componentMin,
  levelOf,
  lower,
  makeQuery,
  mhnswAlgorithm,
  type MhnswParameters,
  type Query,
  type StoredVector,
  upper,
} from "./parameters.ts";
export { prove, type Proved } from "./proof.ts";
export { type Answer, checkSearch, search, type SearchParameters } from "./search.ts";
