/** Order statistics of measurements. */

/** The q-quantile (0..1) by nearest rank; NaN of nothing. */
export const quantile = (values: readonly number[], q: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
};

export const rounded = (value: number, digits = 3): number => Number(value.toFixed(digits));

/** Smallest and largest of a metric over the runs. */
export const spreadOf = (
  values: readonly number[],
): { readonly min: number; readonly max: number } => ({
  min: rounded(Math.min(...values)),
  max: rounded(Math.max(...values)),
});
