/** Small memories by number, and the file they stand in: what a writer needs, and little to load. */
import type { createMemoryFile, NewMemory } from "@ioi/scs";

export const path = "a.scs";

export const given: Parameters<typeof createMemoryFile>[1] = {
  index: {
    dimension: 0,
    m: 0,
    efConstruction: 0,
    quantiser: "none",
    quantiserSeed: new Uint8Array(),
    algorithm: "none",
  },
  embedder: { kind: "none", name: "", revision: "" },
};

export const textOf = (n: number): string => `memory ${n}: ${"x".repeat((n * 37) % 300)}`;

export const memoryOf = (n: number, more = ""): NewMemory => ({
  text: textOf(n) + more,
  origin: { kind: "user", from: "suite" },
});
