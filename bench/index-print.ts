/** What bench/index.ts prints. */

export function print(name: string, value: number, unit: string, goal = "-"): void {
  process.stdout.write(`index.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}
