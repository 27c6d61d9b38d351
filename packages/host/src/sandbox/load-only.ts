/**
 * The argument with which a program of ours loads its code and ends, so that the runtime keeps what
 * it compiled. Kept apart: the programs themselves need nothing else of this folder.
 */
export const loadOnly = "--load-only";
