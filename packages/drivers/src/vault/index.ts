/** What the launcher needs of the vault, without the drivers. */
export { lockOf, pruneStages } from "./leftovers.ts";
export { pruneVault, type PruneOptions } from "./vault.ts";
