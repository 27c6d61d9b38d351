/** Metrics and the goals on them, shared by suites and benches. */

export type MetricValue =
  | number
  | string
  | readonly (number | string | Readonly<Record<string, number | string>>)[]
  | Readonly<Record<string, number | string>>;

/** By name; a name holds its unit and no dots (`durableP99Ms`). */
export type Metrics = Readonly<Record<string, MetricValue>>;

export interface Goal {
  readonly metric: string;
  readonly op: "<=" | ">=" | "=";
  readonly value: number;
}

export interface JudgedGoal extends Goal {
  /** Null where the metric was not measured as a number; such a goal is not met. */
  readonly actual: number | null;
  readonly met: boolean;
}

const holds = (actual: number, goal: Goal): boolean => {
  switch (goal.op) {
    case "<=":
      return actual <= goal.value;
    case ">=":
      return actual >= goal.value;
    case "=":
      return actual === goal.value;
  }
};

export const judgeGoals = (goals: readonly Goal[], metrics: Metrics): readonly JudgedGoal[] =>
  goals.map((goal) => {
    const measured = metrics[goal.metric];
    if (typeof measured !== "number") return { ...goal, actual: null, met: false };
    return { ...goal, actual: measured, met: holds(measured, goal) };
  });
