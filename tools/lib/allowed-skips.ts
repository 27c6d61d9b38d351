/** Skips that CI accepts: tests/allowed-skips.json, `[{ id, why }]`. */

export interface AllowedSkip {
  /** The skipped test's id; a `*` at the end stands for any rest. */
  readonly id: string;
  readonly why: string;
}

export const parseAllowedSkips = (text: string): readonly AllowedSkip[] => {
  const value: unknown = JSON.parse(text);
  const isEntry = (entry: unknown): entry is AllowedSkip => {
    const { id, why } = (entry ?? {}) as { readonly id?: unknown; readonly why?: unknown };
    return typeof id === "string" && typeof why === "string" && why !== "";
  };
  if (!Array.isArray(value) || !value.every(isEntry)) {
    throw new TypeError("allowed-skips.json: expected a list of { id, why }");
  }
  return value;
};

export const isAllowed = (allowed: readonly AllowedSkip[], id: string): boolean =>
  allowed.some((entry) =>
    entry.id.endsWith("*") ? id.startsWith(entry.id.slice(0, -1)) : id === entry.id,
  );
