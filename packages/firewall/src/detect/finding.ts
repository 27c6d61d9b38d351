/** Kinds of what may not leave, and where one stands in a text. */
export const contentKinds = ["EMAIL", "PHONE", "IBAN", "CARD", "SECRET", "SEED_PHRASE"] as const;
export type ContentKind = (typeof contentKinds)[number];

export interface Finding {
  readonly kind: ContentKind;
  readonly start: number;
  /** After its last character. */
  readonly end: number;
}
