export * from "./adversaries.ts";
export * from "./checkers.ts";
export { type DiskFaults, DiskJournal } from "./journal.ts";
export * from "./ledger.ts";
export * from "./limits.ts";
export { calm, type Faults, type Mangle, Network, type NetworkOptions } from "./network.ts";
export { type SimNode } from "./node.ts";
export * from "./scenario.ts";
export * from "./splits.ts";
