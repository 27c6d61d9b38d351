/** Bounds of the simulation. */

/** Longest string value of a log field, in UTF-16 units, as on a real machine. */
export const simLogValueUnitsMax = 256;
/** Turns of the microtask queue that a step of virtual time waits for the world to settle. */
export const simSettleTurns = 64;
/** Steps of one simulated run of a machine; more is a machine that never comes to rest. */
export const simMachineStepsMax = 1_000_000;
