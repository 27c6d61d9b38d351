/** The choices of a round, and schedules of them in words. */
import type { Round } from "./world.ts";

/** Every leader with every two sides of the hosts; the first host is on side 0. */
export const roundsOf = (nodes: number): readonly Round[] => {
  const masks = Array.from({ length: 2 ** nodes }, (_, mask) => mask);
  return masks.flatMap((mask) => {
    const sides = [0, ...Array.from({ length: nodes }, (_, at) => (mask >> at) & 1)];
    return Array.from({ length: nodes }, (_, leader) => ({ leader, sides }));
  });
};

export const wordsOf = (rounds: readonly Round[]): string =>
  rounds.map(({ leader, sides }) => `${leader}:${sides.join("")}`).join(" ");
