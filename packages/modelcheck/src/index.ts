export * from "./explore.ts";
export * from "./signing.ts";
export {
  type NodeKind,
  type Opening,
  readStep,
  type SigningOptions,
  type SigningStep,
} from "./signing-steps.ts";
export * from "./replay.ts";
export * from "./epochs.ts";
