/** Bounds of model checking. */

/** States of one exploration: 20 bytes each in tables that double, and the newest two layers themselves. */
export const statesMax = 8_000_000;
