/** Asks an index in GraphQL, without a server. */
import { graphql } from "graphql/index.js";
import { expect } from "vitest";
import { openReader } from "../database.ts";
import { Reader } from "../loaders.ts";
import { schema } from "../schema.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers have the shape of the query, which the assertions check.
export type Data = any;

export interface Asker {
  /** The data of a query that must succeed. */
  data(query: string, variables?: object): Promise<Data>;
  /** The first error of a query that must fail. */
  failure(query: string, variables?: object): Promise<string | undefined>;
  /** SQL of the last query. */
  readonly statements: readonly string[];
  close(): Promise<void>;
}

/** `location`: of an index that exists. */
export function openAsker(location: string): Asker {
  const statements: string[] = [];
  const db = openReader(location, { connections: 1, beforeStatement: (sql) => void statements.push(sql) });
  const ask = (source: string, variableValues: object) => {
    statements.length = 0;
    const contextValue = { reader: new Reader(db, 10_000) };
    return graphql({ schema, source, contextValue, variableValues: { ...variableValues } });
  };
  return {
    statements,
    async data(query, variables = {}) {
      const { data, errors } = await ask(query, variables);
      expect(errors).toBeUndefined();
      return JSON.parse(JSON.stringify(data));
    },
    async failure(query, variables = {}) {
      return (await ask(query, variables)).errors?.[0]?.message;
    },
    close: () => db.destroy(),
  };
}
