/** The value that a share of the values are below: 0.5 is the median, 0.99 the 99th percentile. NaN of no values. */
export function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
}
