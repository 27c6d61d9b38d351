/** Measures of an order of answers: recall, whether there is any, and how early (nDCG, binary gains). */

export interface Measures {
  readonly r10: number;
  readonly hit10: number;
  readonly ndcg10: number;
}

const depth = 10;

export const measuresOf = (answers: readonly string[], relevant: ReadonlySet<string>): Measures => {
  const gains = answers.slice(0, depth).map((id) => (relevant.has(id) ? 1 : 0));
  const sum = (list: readonly number[]): number => list.reduce((all, each) => all + each, 0);
  const discounted = (list: readonly number[]): number =>
    sum(list.map((gain, at) => gain / Math.log2(at + 2)));
  const ideal = Array.from({ length: Math.min(depth, relevant.size) }, () => 1);
  return {
    r10: sum(gains) / relevant.size,
    hit10: gains.includes(1) ? 1 : 0,
    ndcg10: discounted(gains) / discounted(ideal),
  };
};

export const meanOf = (all: readonly Measures[]): Measures => {
  const mean = (name: keyof Measures): number =>
    all.reduce((sum, each) => sum + each[name], 0) / Math.max(1, all.length);
  return { r10: mean("r10"), hit10: mean("hit10"), ndcg10: mean("ndcg10") };
};
