/** Checks: each holds and says what was compared, or fails and says what differs. One line each. */

/** What a server said is not what can be proven. */
export class NotProven extends Error {}

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export class Checks {
  readonly all: Check[] = [];
  readonly #onCheck: (check: Check) => void;

  constructor(onCheck: (check: Check) => void) {
    this.#onCheck = onCheck;
  }

  get ok(): boolean {
    return this.all.every(({ ok }) => ok);
  }

  /**
   * `run` resolves to what was compared, with a value for the checks that follow. Undefined when it fails, whatever it
   * throws: of a server's answer nothing is certain, not even its shape.
   */
  async run<T>(name: string, run: () => Promise<readonly [detail: string, value?: T]>): Promise<T | undefined> {
    return (await this.runAll([{ name, run }]))[0];
  }

  /** At most eight at once; told in their order. */
  async runAll<T>(
    planned: readonly { readonly name: string; run(): Promise<readonly [detail: string, value?: T]> }[],
  ): Promise<(T | undefined)[]> {
    const outcomes = new Array<Promise<{ check: Check; value: T | undefined }>>(planned.length);
    const values: (T | undefined)[] = [];
    for (let i = 0; i < planned.length; i++) {
      for (let ahead = i; ahead < Math.min(i + PARALLEL, planned.length); ahead++)
        outcomes[ahead] ??= outcome(planned[ahead]!);
      const { check, value } = await outcomes[i]!;
      this.all.push(check);
      this.#onCheck(check);
      values.push(value);
    }
    return values;
  }
}

const PARALLEL = 8;

async function outcome<T>({ name, run }: { name: string; run(): Promise<readonly [string, T?]> }) {
  try {
    const [detail, value] = await run();
    return { check: { name, ok: true, detail }, value };
  } catch (error) {
    return { check: { name, ok: false, detail: (error as Error).message }, value: undefined };
  }
}

type Comparable = string | number | bigint | boolean | null | undefined;

/** Field, what the server says, what is proven. */
export type Comparison = readonly [field: string, claimed: Comparable, proven: Comparable];

const shown = (value: Comparable): string => {
  const text = value === null || value === undefined ? "nothing" : String(value);
  return /^0x[0-9a-fA-F]*$/.test(text) ? text.toLowerCase() : text;
};

/** Throws NotProven that names every field that differs. The case of hex does not count: it is an address's checksum. */
export function requireSame(comparisons: readonly Comparison[]): void {
  const wrong = comparisons.filter(([, claimed, proven]) => shown(claimed) !== shown(proven));
  if (wrong.length === 0) return;
  throw new NotProven(
    wrong
      .map(([field, claimed, proven]) => `${field} is ${shown(claimed)} in GraphQL, ${shown(proven)} on chain`)
      .join("; "),
  );
}

/** Of a code in a table of codes; the code itself where it has none. */
export const nameIn = (codes: Readonly<Record<string, number>>, code: number): string =>
  Object.entries(codes).find(([, value]) => value === code)?.[0] ?? String(code);
