/** What the models show: each attack with its shortest length where a guard is gone, and nothing with it. */
import {
  EpochModel,
  type EpochOptions,
  type Exploration,
  explore,
  type Model,
  type NodeKind,
  SigningModel,
  type SigningOptions,
} from "@ioi/modelcheck";

export interface Modelled {
  /** The regression that it belongs to, or what is argued for. */
  readonly id: string;
  readonly with: () => Model;
  readonly without: () => Model;
  /** Steps of the shortest attack. */
  readonly steps: number;
  /** Hundreds of thousands of states. */
  readonly isLarge?: boolean;
}

const third = (kind: NodeKind): readonly NodeKind[] => ["sound", "sound", kind];
const sound = third("sound");

const signing = (options: Partial<SigningOptions>) => (): Model =>
  new SigningModel({ nodes: sound, quorum: 2, views: 4, ...options });
const epochs =
  (options: Partial<EpochOptions> = {}) =>
  (): Model =>
    new EpochModel({ nodes: 3, quorum: 2, views: 3, ...options });

const four = (broken: number): readonly NodeKind[] =>
  Array.from({ length: 4 }, (_, i) => (i < broken ? "broken" : "sound"));
/** Two blocks of one view, each with its child. */
const graded = (broken: number, strength: number) =>
  signing({ nodes: four(broken), quorum: 3, views: 2, blocks: 2, strength });

const recovering: readonly NodeKind[] = ["broken", "sound", "sound", "recovering"];

export const modelled: readonly Modelled[] = [
  {
    id: "T1",
    with: signing({ views: 2, blocks: 2, opening: "timeouts" }),
    without: signing({ nodes: third("unbound"), views: 2, blocks: 2, opening: "timeouts" }),
    steps: 12,
  },
  {
    id: "T2",
    with: signing({}),
    without: signing({ nodes: third("lockless"), opening: "timeouts" }),
    steps: 14,
    isLarge: true,
  },
  { id: "T3", with: signing({}), without: signing({ nodes: third("resettable") }), steps: 13 },
  {
    id: "T5",
    with: signing({ nodes: ["broken", "sound", "sound"], strength: 3 }),
    without: signing({
      nodes: ["broken", "sound", "sound"],
      strength: 3,
      lock: false,
      opening: "accumulator",
    }),
    steps: 15,
    isLarge: true,
  },
  {
    id: "T11",
    with: signing({ lock: false, opening: "reports", rival: "certificate" }),
    without: signing({ lock: false, opening: "any-reports", rival: "certificate" }),
    steps: 11,
    isLarge: true,
  },
  {
    id: "T12",
    with: signing({ nodes: four(1), quorum: 3, strength: 3 }),
    without: signing({ nodes: recovering, quorum: 3, strength: 3 }),
    steps: 18,
    isLarge: true,
  },
  { id: "T13", with: signing({}), without: signing({ lock: false }), steps: 12 },
  {
    id: "T15",
    with: signing({ nodes: third("liar") }),
    without: signing({ nodes: third("liar"), countsLies: true, opening: "timeouts" }),
    steps: 14,
    isLarge: true,
  },
  {
    id: "T16",
    with: signing({ rival: "certificate" }),
    without: signing({ lock: false, rival: "certificate" }),
    steps: 9,
  },
  { id: "T19", with: epochs(), without: epochs({ endsBy: "certificate" }), steps: 14 },
  { id: "epochs/advance-once", with: epochs(), without: epochs({ advances: "again" }), steps: 16 },
  { id: "epochs/void-above", with: epochs(), without: epochs({ voidAbove: false }), steps: 14 },
  {
    id: "epochs/new-session",
    with: epochs({ newSessions: 1 }),
    without: signing({ nodes: third("resettable") }),
    steps: 13,
  },
  { id: "grades/3-of-4", with: graded(1, 3), without: graded(2, 3), steps: 16 },
  { id: "grades/4-of-4", with: graded(2, 4), without: graded(3, 4), steps: 18 },
  ...(["partial", "silent", "newer", "locks"] as const).map((guard): Modelled => {
    const nodes = ["broken", "sound", "sound"] as const;
    return {
      id: `guard/${guard}`,
      with: signing({ nodes, guard: "waits" }),
      without: signing({ nodes, guard }),
      steps: guard === "partial" ? 14 : 15,
      isLarge: true,
    };
  }),
];

export interface Checked {
  readonly harmWith: string | undefined;
  readonly harmWithout: string | undefined;
  readonly states: number;
}

const harmOf = (found: Exploration): string | undefined => {
  switch (found.type) {
    case "holds":
      return undefined;
    case "violated":
      return `${found.depth} steps: ${found.message}`;
    case "bounded":
      return `not explored to the end: ${found.states} states`;
  }
};

export const check = (each: Modelled): Checked => {
  const kept = explore(each.with());
  const lost = explore(each.without());
  const isFound = lost.type === "violated" && lost.depth === each.steps;
  const other = harmOf(lost) ?? "no attack";
  return {
    harmWith: harmOf(kept),
    harmWithout: isFound ? harmOf(lost) : undefined,
    states: kept.states + lost.states,
    ...(isFound ? {} : { harmWith: `the shortest attack is not of ${each.steps} steps: ${other}` }),
  };
};
