/** What this machine is, and whether a runtime exists for it. */
import { BootstrapError } from "./errors.mjs";

/**
 * @typedef {object} Facts
 * @property {string} platform
 * @property {string} arch
 * @property {string | undefined} glibc version of the C library, undefined where it is not glibc
 */

/** @returns {Facts} */
export const readFacts = () => {
  const { platform, arch } = process;
  return { platform, arch, glibc: platform === "linux" ? readGlibc() : undefined };
};

const readGlibc = () => {
  // The type definitions do not know that the network part can be left out.
  const reporter = /** @type {{ excludeNetwork?: boolean, getReport(): object } | undefined} */ (
    process.report
  );
  if (reporter === undefined) return undefined;
  const before = reporter.excludeNetwork;
  reporter.excludeNetwork = true;
  const made = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (reporter.getReport());
  reporter.excludeNetwork = before ?? false;
  return made.header?.glibcVersionRuntime;
};

/**
 * The key of this machine in tools/runtime.json.
 * @param {Facts} facts
 * @param {readonly string[]} known
 */
export const platformKey = (facts, known) => {
  const key = `${facts.platform}-${facts.arch}`;
  if (!known.includes(key)) {
    throw new BootstrapError(
      "E_BOOTSTRAP_PLATFORM",
      `no runtime for ${key}; there is one for ${known.join(" and ")}`,
    );
  }
  if (facts.glibc === undefined) {
    throw new BootstrapError(
      "E_BOOTSTRAP_PLATFORM",
      "this Linux has another C library than glibc (musl?), for which there is no runtime",
    );
  }
  return key;
};
