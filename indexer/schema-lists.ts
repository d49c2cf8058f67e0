/** Relay connections over the index's tables: their types, their arguments, and what reads them. */
import type { ObjectRef } from "@pothos/core";
import type { Reader } from "./loaders.ts";
import type { Condition } from "./paging.ts";
import {
  cursorOf,
  DEFAULT_PAGE,
  type Filter,
  MAX_PAGE,
  ORDERS,
  type Page,
  type PageArguments,
  type PagedTable,
} from "./paging.ts";
import { builder, type Types } from "./schema-builder.ts";
import { conditionsOf, numbers, type Where, type WhereFields, whereInput } from "./schema-where.ts";
import type { Stored } from "./tables.ts";

const ListOrder = builder.enumType("ListOrder", {
  description: "By place in the chain.",
  values: ["OLDEST", "NEWEST"] as const,
});

const OrderDirection = builder.enumType("OrderDirection", { values: ["ASC", "DESC"] as const });

const PageInfo = builder
  .objectRef<{ hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }>(
    "PageInfo",
  )
  .implement({
    fields: (t) => ({
      hasNextPage: t.exposeBoolean("hasNextPage"),
      hasPreviousPage: t.exposeBoolean("hasPreviousPage"),
      startCursor: t.exposeString("startCursor", { nullable: true }),
      endCursor: t.exposeString("endCursor", { nullable: true }),
    }),
  });

interface EdgeShape<T extends PagedTable> {
  readonly row: Stored<T>;
  readonly cursor: string;
}

/** Relay connection over a table's rows; `toNode` makes the node of a row where it is not the row itself. */
function connectionOf<T extends PagedTable, N extends object>(
  name: string,
  table: T,
  node: ObjectRef<Types, N>,
  toNode: (row: Stored<T>) => N,
) {
  const Edge = builder.objectRef<EdgeShape<T>>(`${name}Edge`).implement({
    fields: (t) => ({
      cursor: t.string({ resolve: ({ cursor }) => cursor }),
      node: t.field({ type: node, resolve: ({ row }) => toNode(row) as never }),
    }),
  });
  const cursors = ({ rows, orderBy }: Page<T>): string[] => rows.map((row) => cursorOf(table, row, orderBy));
  return builder.objectRef<Page<T>>(`${name}Connection`).implement({
    fields: (t) => ({
      edges: t.field({
        type: [Edge],
        resolve: (page) => cursors(page).map((cursor, i) => ({ cursor, row: page.rows[i] as Stored<T> })),
      }),
      nodes: t.field({ type: [node], resolve: ({ rows }) => rows.map(toNode) as never }),
      pageInfo: t.field({
        type: PageInfo,
        resolve: (page) => {
          const all = cursors(page);
          const { hasNextPage, hasPreviousPage } = page;
          return { hasNextPage, hasPreviousPage, startCursor: all[0] ?? null, endCursor: all.at(-1) ?? null };
        },
      }),
      totalCount: t.int({ resolve: (page, _, { reader }) => reader.count(page) }),
    }),
  });
}

/** Arguments of every list. */
const pageArgs = () =>
  builder.args((t) => ({
    first: t.int({ description: `1 to ${MAX_PAGE}, ${DEFAULT_PAGE} when neither first nor last is given.` }),
    after: t.string({ description: "endCursor of the page before." }),
    last: t.int({ description: `1 to ${MAX_PAGE}: the end of the list, in its order.` }),
    before: t.string({ description: "startCursor of the page after." }),
    order: t.field({ type: ListOrder, required: true, defaultValue: "OLDEST" }),
    orderDirection: t.field({ type: OrderDirection, description: "Instead of order." }),
  }));

/**
 * A list that fields offer: spread `args` into theirs and let `read` resolve them. `table` and `name` (of the node) name
 * its types; `where` is what clients may filter by, besides the block.
 */
export function listOf<T extends PagedTable, N extends object = Stored<T>>(
  name: string,
  table: T,
  node: ObjectRef<Types, N>,
  where: WhereFields = {},
  toNode: (row: Stored<T>) => N = (row) => row as unknown as N,
) {
  const fields: WhereFields = { block: numbers("block"), ...where };
  const Filter = whereInput(name, fields);
  const orders = ORDERS[table];
  const OrderBy =
    orders === undefined
      ? undefined
      : builder.enumType(`${name}OrderBy`, {
          description: Object.entries(orders)
            .map(([order, { within }]) => `${order}: only within one of ${Object.values(within).join(", ")}.`)
            .join(" "),
          values: ["POSITION", ...Object.keys(orders)],
        });
  return {
    type: connectionOf(name, table, node, toNode),
    args: () => {
      const filter = builder.args((t) => ({ where: t.field({ type: Filter }) }));
      const order =
        OrderBy === undefined
          ? {}
          : builder.args((t) => ({ orderBy: t.field({ type: OrderBy, defaultValue: "POSITION" }) }));
      return { ...pageArgs(), ...filter, ...order } as ReturnType<typeof pageArgs> & typeof filter;
    },
    /** `fixed` is what the field itself restricts, `more` what equality does not say. */
    read: (
      reader: Reader,
      args: PageArguments & { readonly where?: Where | null | undefined },
      fixed: Filter<T> = {},
      more: readonly Condition[] = [],
    ): Promise<Page<T>> => reader.page(table, fixed, args, [...conditionsOf(fields, args.where), ...more]),
  };
}
