/** What clients see of trouble that is not theirs: which kind, and whether to ask again; never more. */
import { GraphQLError } from "graphql/index.js";
import { type MaskError, maskError } from "graphql-yoga";
import { isUnreachable } from "./database.ts";

/** PostgreSQL's query_canceled: a statement that took longer than the server lets it. */
const STATEMENT_TIMEOUT = "57014";

export const unavailable = (): GraphQLError => trouble("the index cannot be read now: ask again later", "UNAVAILABLE");

/** Of a query that had no turn in its time. */
export const busy = (timeoutMs: number): GraphQLError =>
  trouble(`the server is busy: the query had no turn in its ${timeoutMs} ms`, "TIMEOUT");

/** As loaders.ts says it. */
export const tooLong = (timeoutMs: number): GraphQLError =>
  new GraphQLError(`the query took longer than ${timeoutMs} ms: ask for less`, { extensions: { code: "TIMEOUT" } });

/** Errors of resolvers: those that say something about the database, and those that say nothing. */
export const masked: MaskError = (error, message, isDev) => {
  const cause = error instanceof GraphQLError ? error.originalError : error;
  if (isUnreachable(cause)) return unavailable();
  if (cause instanceof Error && "code" in cause && cause.code === STATEMENT_TIMEOUT) {
    return new GraphQLError("a part of the query took too long: ask for less", { extensions: { code: "TIMEOUT" } });
  }
  return maskError(error, message, isDev);
};

function trouble(message: string, code: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status: 503 } } });
}
