/** What a run measured and what was wanted of it, as lines `name value unit goal`. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Undefined: only of interest. */
  readonly goal?: { readonly text: string; readonly isMet: boolean };
}

type Goal = (value: number) => NonNullable<Figure["goal"]>;

export const atMost =
  (most: number): Goal =>
  (value) => ({ text: `<=${most}`, isMet: value <= most });

export const atLeast =
  (least: number): Goal =>
  (value) => ({ text: `>=${least}`, isMet: value >= least });

export const figure = (name: string, value: number, unit: string, goal?: Goal): Figure => ({
  name,
  value,
  unit,
  ...(goal && { goal: goal(value) }),
});

export const areMet = (figures: readonly Figure[]): boolean => figures.every(({ goal }) => goal?.isMet !== false);

export function printFigure({ name, value, unit, goal }: Figure): void {
  console.log(`${name} ${value} ${unit} ${goal?.text ?? "-"}${goal?.isMet === false ? " MISSED" : ""}`);
}
