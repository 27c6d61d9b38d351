/**
 * Every error that a first start can meet, in the shape of the packages' catalogues;
 * docs/errors.md is generated from here too.
 */

export const errors = /** @type {const} */ ({
  E_BOOTSTRAP_NODE: {
    what: "The Node that runs the bootstrap is too old.",
    why: "The bootstrap itself needs Node 20 or newer; the program brings its own runtime after that.",
    next: "install Node 20 or newer and run the same command again",
    exit: 7,
  },
  E_BOOTSTRAP_PLATFORM: {
    what: "There is no runtime for this machine.",
    why: "Supported are Linux on x64 and arm64 with glibc; the sandbox depends on Linux.",
    next: "run it on Linux x64 or arm64 with glibc 2.28 or newer",
    exit: 7,
  },
  E_BOOTSTRAP_NPM: {
    what: "npm was not found.",
    why: "The runtime and the packages are fetched by npm 10 or newer, which comes with Node.",
    next: "install npm beside Node and run the same command again",
    exit: 7,
  },
  E_BOOTSTRAP_NETWORK: {
    what: "The package registry did not answer.",
    why: "The first start, and a start after the lockfile changed, download packages.",
    next: "connect to the network (or set npm's registry or proxy) and run the same command again",
    exit: 5,
  },
  E_BOOTSTRAP_INTEGRITY: {
    what: "A downloaded package is not the one that is pinned.",
    why: "Its checksum differs from tools/runtime.json or pnpm-lock.yaml; nothing of it was kept.",
    next: "check the registry or the proxy in between, and run the same command again",
    exit: 5,
  },
  E_BOOTSTRAP_DISK: {
    what: "The disk has too little room.",
    why: "The runtime, the packages and their archives need it while they are unpacked.",
    next: "free some space and run the same command again",
    exit: 5,
  },
  E_BOOTSTRAP_READ_ONLY: {
    what: "The project folder cannot be written.",
    why: "The runtime and the packages are installed inside it, in .runtime and node_modules.",
    next: "make the folder writable for this user, or clone it to a place that is",
    exit: 5,
  },
  E_BOOTSTRAP_BUSY: {
    what: "Another bootstrap holds the lock and did not finish.",
    why: "Two at once would install over each other, so the second waits for the first.",
    next: "wait for the process that is named, or end it, and run the same command again",
    exit: 5,
  },
  E_BOOTSTRAP_INSTALL: {
    what: "npm or pnpm failed.",
    why: "Its own last lines are printed above the message.",
    next: "run the same command again; if it fails again, delete .runtime and node_modules first",
    exit: 5,
  },
});

/** @typedef {keyof typeof errors} BootstrapCode */

/** A failure that is told to the person, with the code of its catalogue entry. */
export class BootstrapError extends Error {
  /**
   * @param {BootstrapCode} code
   * @param {string} message
   * @param {readonly string[]} [cause]
   */
  constructor(code, message, cause = []) {
    super(message);
    this.code = code;
    this.causes = cause;
  }
}

/**
 * Prints one failure: JSON on stdout when the caller asked for it, the line on stderr always.
 * @param {BootstrapError} error
 * @param {boolean} json
 * @returns {number} the exit code
 */
export const report = (error, json) => {
  const entry = errors[error.code];
  for (const line of error.causes) process.stderr.write(`  ${line}\n`);
  process.stderr.write(`error[${error.code}]: ${error.message}. Next: ${entry.next}\n`);
  if (json) {
    const { code, message, causes } = error;
    process.stdout.write(`${JSON.stringify({ code, message, next: entry.next, cause: causes })}\n`);
  }
  return entry.exit;
};
