/** What one thread of `suite twins` is asked for, and answers: a share of the schedules of one kind. */
import { twinOf } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import { checkFraming, checkRoots, checkSafety, runTwins, twinsSchedules } from "@ioi/netsim";

export interface Kind {
  readonly nodes: number;
  readonly views: number;
  readonly areClones: boolean;
}

export interface Task extends Kind {
  readonly first: number;
  readonly of: number;
}

export interface Answer {
  readonly schedules: number;
  readonly commits: number;
  readonly conflicts: number;
  /** The first few, in words. */
  readonly violations: readonly string[];
}

const provider = twinOf(nodeCrypto);
const shownMax = 5;

export const runTask = async ({ nodes, views, areClones, first, of }: Task): Promise<Answer> => {
  const broken = areClones ? [nodes - 1] : [];
  const violations: string[] = [];
  let [number, schedules, commits, conflicts] = [0, 0, 0, 0];
  for (const schedule of twinsSchedules(nodes, views)) {
    if (number++ % of !== first) continue;
    const network = await runTwins(schedule, nodes, areClones, provider);
    schedules += 1;
    if (network.nodes.some(({ height }) => height > 0)) commits += 1;
    const unsafe = checkSafety(network);
    if (unsafe.length > 0) conflicts += 1;
    const found = [...unsafe, ...checkRoots(network), ...checkFraming(network, broken)];
    if (found.length === 0 || violations.length >= shownMax) continue;
    const plan = schedule.map(({ leader, sides }) => `${leader}:${sides.join("")}`).join(" ");
    violations.push(`${plan}: ${found.map(({ message }) => message).join(", ")}`);
  }
  return { schedules, commits, conflicts, violations };
};
