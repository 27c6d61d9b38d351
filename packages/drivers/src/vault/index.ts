/** What the launcher needs of the vault, without the drivers. */
export { pruneVault, type PruneOptions } from "./vault.ts";
