/** Bounds of model checking. */

/** States of one exploration: 24 bytes each in tables, and the newest two layers themselves. */
export const statesMax = 8_000_000;
