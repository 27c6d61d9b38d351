export { Commitment } from "./commitment.ts";
export { type Added, Graph } from "./graph.ts";
export {
  componentMax,
  componentMin,
  makeQuery,
  mhnswAlgorithm,
  type MhnswParameters,
  type Query,
} from "./parameters.ts";
export { prove, type Proved } from "./proof.ts";
export { type Answer, search, type SearchParameters } from "./search.ts";
