/** `where` of lists: what GraphQL names `amount_gte` is a condition on a column. */
import { LICENCES } from "../core/licences.ts";
import { firstBlockAt } from "./as-of.ts";
import type { Condition, Value } from "./paging.ts";
import { badInput, parseId } from "./scalars.ts";
import { builder } from "./schema-builder.ts";

/** What a client may give, by field name, already parsed by its scalar. */
export type Where = Readonly<Record<string, unknown>>;

interface WhereField {
  /** GraphQL type, by name or an enum's reference. */
  readonly type: unknown;
  readonly column: string;
  /** Whether it has an order: adds _gt, _gte, _lt, _lte. */
  readonly ordered: boolean;
  readonly toColumn: (value: unknown, name: string) => Value;
  /** Whether it is the time of the row's block: a window is then a range of blocks. */
  readonly ofBlock?: boolean;
  /** Holds as well where this one does. Such a field has neither _not nor an order. */
  readonly implies?: Condition;
}

export type WhereFields = Readonly<Record<string, WhereField>>;

const plain = (value: unknown): Value => value as Value;
const field = (type: unknown, column: string, ordered: boolean, toColumn: WhereField["toColumn"] = plain) =>
  ({ type, column, ordered, toColumn }) satisfies WhereField;

export const ids = (column: string): WhereField =>
  field("ID", column, true, (value, name) => parseId(value as string | number, name));
export const addresses = (column: string): WhereField => field("Address", column, false);
export const hashes = (column: string): WhereField => field("Bytes", column, false);
/** No text in the rows has U+0000, and PostgreSQL refuses it: project-rows.ts. */
export const texts = (column: string): WhereField =>
  field("String", column, false, (value) => String(value).replaceAll("\u0000", "\ufffd"));
export const wei = (column: string): WhereField => field("BigInt", column, true);
/** BigInt in GraphQL, an integer in the rows, where no number is above 2^53. */
export const numbers = (column: string): WhereField =>
  field("BigInt", column, true, (value) => Number(value) && Math.min(Number(value), Number.MAX_SAFE_INTEGER));
export const integers = (column: string): WhereField => field("Int", column, true);
export const times = (column: string): WhereField => field("Timestamp", column, true);
export const blockTimes = (column: string): WhereField => ({ ...times(column), ofBlock: true });
export const codes = (column: string, type: unknown): WhereField => field(type, column, false);
export const flags = (column: string): WhereField => field("Boolean", column, false, (value) => Number(value));
export const licences = (column: string): WhereField => field("String", column, false, licenceCode);

export function implying(fields: WhereField, implies: Condition): WhereField {
  return { ...fields, ordered: false, implies };
}

function licenceCode(spdx: unknown): number {
  const known = LICENCES.find((licence) => licence.spdx === spdx)?.code;
  const named = /^LicenseRef-(\d{1,5})$/.exec(String(spdx))?.[1];
  const code = known ?? (named === undefined ? undefined : Number(named));
  if (code !== undefined) return code;
  const names = LICENCES.map((licence) => licence.spdx).join(", ");
  throw badInput(`licence must be one of ${names}, not ${JSON.stringify(String(spdx).slice(0, 64))}`);
}

const COMPARISONS = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;
type Comparison = keyof typeof COMPARISONS;
const MAX_VALUES = 100;

/** The input type `<name>Where` over `fields`. */
export function whereInput(name: string, fields: WhereFields) {
  return builder.inputRef<Record<string, unknown>>(`${name}Where`).implement({
    description: `All that are given must hold. _in takes up to ${MAX_VALUES} values.`,
    // Pothos infers a type from each field, and these are data.
    fields: ((t: { field(options: object): unknown }) =>
      Object.fromEntries(
        Object.entries(fields).flatMap(([key, { type, ordered, implies }]) => [
          [key, t.field({ type })],
          ...(implies === undefined ? [[`${key}_not`, t.field({ type })]] : []),
          [`${key}_in`, t.field({ type: [type] })],
          ...(ordered ? Object.keys(COMPARISONS).map((suffix) => [`${key}_${suffix}`, t.field({ type })]) : []),
        ]),
      )) as never,
  });
}

function blockRange(suffix: Comparison, time: number): Condition {
  const first = firstBlockAt(suffix === "gt" || suffix === "lte" ? time + 1 : time);
  return { column: "block", operator: suffix.startsWith("g") ? ">=" : "<", value: first };
}

/** Null says nothing, as in the other arguments. Throws GraphQLError for a value that cannot be. */
export function conditionsOf(fields: WhereFields, where: Where | null | undefined): Condition[] {
  return Object.entries(where ?? {}).flatMap(([key, value]): Condition[] => {
    if (value === null || value === undefined) return [];
    const separator = fields[key] === undefined ? key.lastIndexOf("_") : key.length;
    const of = fields[key.slice(0, separator)];
    if (of === undefined) throw new Error(`the schema has ${key}, its list does not`);
    const { column, implies, toColumn } = of;
    const also = implies === undefined ? [] : [implies];
    const suffix = key.slice(separator + 1);
    if (suffix === "in") {
      const values = value as readonly unknown[];
      if (values.length > MAX_VALUES) throw badInput(`${key} has ${values.length} values, the limit is ${MAX_VALUES}`);
      return [{ column, operator: "in", value: values.map((one) => toColumn(one, key)) }, ...also];
    }
    if (of.ofBlock && suffix in COMPARISONS) return [blockRange(suffix as Comparison, value as number)];
    const operator = suffix === "" ? "=" : suffix === "not" ? "<>" : COMPARISONS[suffix as Comparison];
    return [{ column, operator, value: toColumn(value, key) }, ...also];
  });
}
