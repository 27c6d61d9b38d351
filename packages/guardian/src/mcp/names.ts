/**
 * Names that a person, a policy or a model could take for one another.
 *
 * Source: Unicode TR 39 (skeletons), for the little that names of servers and tools may hold: ASCII
 * letters, digits and `_ - . /`. Anything else is refused, so that a skeleton is a matter of case,
 * of the digits that look like letters, and of what stands between words.
 */
import { targets } from "@ioi/firewall";

/** A server is called what a person types and a policy names. */
const serverShape = /^[a-z][a-z0-9_-]{0,47}$/;
/** What the protocol allows for tools since 2025-11-25. */
const toolShape = /^[A-Za-z0-9_./-]{1,128}$/;

export const isServerName = (name: string): boolean => serverShape.test(name);
export const isToolName = (name: string): boolean => toolShape.test(name);

const lookAlike: ReadonlyMap<string, string> = new Map([
  ["0", "o"],
  ["1", "l"],
  ["i", "l"],
  ["5", "s"],
  ["8", "b"],
]);

/** Two names with one skeleton are told apart by nobody who reads quickly. */
export const skeletonOf = (name: string): string =>
  Array.from(name.toLowerCase(), (char) => lookAlike.get(char) ?? char)
    .join("")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w")
    .replaceAll(/[_./:-]+/g, "_");

/** What a model calls the tools of its own, and the targets as policies name them. */
const nativeSkeletons: ReadonlySet<string> = new Set(
  [...targets.keys(), "content::read"].map(skeletonOf),
);

export const collidesWithNative = (name: string): boolean => nativeSkeletons.has(skeletonOf(name));
