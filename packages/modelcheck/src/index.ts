export * from "./explore.ts";
export * from "./signing.ts";
export * from "./replay.ts";
export * from "./epochs.ts";
