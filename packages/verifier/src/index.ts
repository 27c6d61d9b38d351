export * from "./chain.ts";
export { errors as verifierErrors } from "./errors.ts";
export * from "./limits.ts";
export * from "./nearest.ts";
export * from "./recall.ts";
export * from "./recall-report.ts";
export * from "./receipts.ts";
export {
  type IndexParameters,
  type RetrievalClaim,
  type RetrievalVerdict,
  type RetrievedAnswer,
  type Searched,
  sha256OfParts,
  verifyRetrieval,
  type Wanted,
} from "./retrieval.ts";
