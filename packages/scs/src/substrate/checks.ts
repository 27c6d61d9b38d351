/** What is refused before anything of a call is done. */
import type { MemoryFile } from "../file.ts";
import { operation } from "../header.ts";
import { encodeMemory, type NewMemory } from "../memory.ts";

const noSalt: Uint8Array = new Uint8Array(32);

/** Before anything is embedded: what cannot be stored must not be sent anywhere either. */
export const checkInput = (memories: readonly NewMemory[], path: string): void => {
  for (const memory of memories) {
    const encoded = encodeMemory(memory, noSalt, 0);
    if (!encoded.ok) throw operation("E_SCS_INPUT", path, encoded.error.message);
  }
};

export const checkThere = (file: MemoryFile, id: number, path: string): void => {
  const kept = file.kept(id);
  if (kept !== undefined && !kept.forgotten) return;
  const why = kept === undefined ? "was never there" : "is forgotten";
  throw operation("E_SCS_NO_MEMORY", path, `memory ${id} ${why}`);
};
