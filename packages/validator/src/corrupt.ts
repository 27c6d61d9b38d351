/** What stands in the chain's files and cannot be. */
import { OperationError } from "@ioi/base";

export const repairHint =
  "restore orchestrator/chain from a backup, or begin the blocks anew: ./ioi chain reset";

export const corrupt = (message: string): OperationError =>
  new OperationError("E_CHAIN_CORRUPT", message, { next: repairHint });
