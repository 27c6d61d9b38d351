/** Bounds of the bootstrap. `docs/limits.md` is generated from these lines. */

/** Free space that a first start asks for before it downloads anything, in MiB. */
export const bootstrapFreeMiBMin = 700;
/** Silence of a download after which the network counts as gone, in ms. */
export const bootstrapStallMsMax = 22_000;
/** How long a second bootstrap waits for the first, in ms. */
export const bootstrapLockWaitMsMax = 300_000;
/** How often the parent process is looked at, in ms. */
export const parentPollMs = 250;
/** What a child gets between SIGTERM and SIGKILL, in ms. */
export const childStopMsMax = 2_000;
/** Lines of npm's or pnpm's output that are shown after a failure. */
export const failureLinesMax = 12;
