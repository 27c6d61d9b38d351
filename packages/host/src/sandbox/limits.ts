/** Bounds of the sandbox launcher. */

/** Binds, masks and overlays together in one sandbox. */
export const sandboxPathsMax = 4096;

/** Bytes of one plan handed to the confiner. */
export const sandboxPlanBytesMax = 1_048_576;

/** Characters of one environment variable that carries a piece of the plan (the kernel allows 131072). */
export const sandboxPlanPieceMax = 120_000;

/** Bytes of the private /tmp of a sandbox unless its description says otherwise. */
export const sandboxTmpBytes = 268_435_456;

/** Files in the private /tmp of a sandbox. */
export const sandboxTmpFiles = 65_536;

/** Bytes of shared memory files (/dev/shm) of a sandbox. */
export const sandboxShmBytes = 67_108_864;

/** Bytes of the root of a sandbox, which holds only mount points and a few generated files. */
export const sandboxRootBytes = 1_048_576;

/** The lowest bound the kernel accepts for processes in a namespace of its own. */
export const sandboxPidsFloor = 301;

/** How long loading one program for the cache of compiled code may take, in milliseconds. */
export const codeFillMs = 20_000;

/** Port of 127.0.0.1 inside a sandbox that leads to egress. */
export const sandboxBridgePort = 3128;

/** Connections to a sandbox's way out that wait to be taken. */
export const sandboxBridgeBacklog = 64;

/** How long a prepared launcher waits for a program, in milliseconds. */
export const poolIdleMs = 30_000;

/** How long is waited for a launcher to be prepared, in milliseconds. */
export const poolReadyMs = 5_000;

/** Instructions of one seccomp program (the kernel allows 4096). */
export const sandboxFilterMax = 4096;

/** Processes of a sandbox that builds others, and of all of these together, unless it says otherwise. */
export const sandboxInnerPids = 2048;
/** How long the trial of a tool that makes namespaces may take, in milliseconds. */
export const namespaceTrialMs = 5_000;
