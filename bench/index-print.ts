/** What bench/index.ts prints. */

export function print(name: string, value: number, unit: string, goal = "-"): void {
  process.stdout.write(`index.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}

export function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? Number.NaN;
}
