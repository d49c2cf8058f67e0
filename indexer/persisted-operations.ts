/**
 * Operations by their SHA-256, in Apollo's protocol (`extensions.persistedQuery {version: 1, sha256Hash}`): those of the
 * operator, and those that clients have sent once with text and hash (automatic persisted queries).
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { GraphQLError } from "graphql/index.js";
import { RecentMap } from "../core/recent-map.ts";

export interface PersistedOptions {
  /**
   * A folder of `*.graphql` files, or a JSON file: `{"<sha256>": "<text>"}` or the manifest of Apollo
   * (`{"format": "apollo-persisted-query-manifest", "operations": [{"id": "<sha256>", "body": "<text>"}]}`).
   */
  readonly path: string;
  /** Refuses everything else. */
  readonly only?: boolean;
}

/** Of GraphQL over HTTP and WebSocket alike. */
export interface OperationParams {
  readonly query?: unknown;
  readonly extensions?: unknown;
}

/** Texts that clients may leave here; a text is at most a request's body. */
const MAX_LEARNT = 200;

export const sha256Of = (text: string): string => createHash("sha256").update(text).digest("hex");

const refusal = (message: string, code: string, status: number): GraphQLError =>
  new GraphQLError(message, { extensions: { code, http: { status } } });

export class PersistedOperations {
  readonly #known: ReadonlyMap<string, string>;
  readonly #only: boolean;
  readonly #learnt = new RecentMap<string, string>(MAX_LEARNT);

  /** Throws when `path` cannot be read, is in none of the forms, or names a text by what is not its hash. */
  constructor(options: PersistedOptions | undefined) {
    this.#known = options === undefined ? new Map() : readOperations(options.path);
    this.#only = options?.only ?? false;
  }

  /** The text to run: what `query` says, or what its hash names. Throws GraphQLError for what is unknown or refused. */
  textOf({ query, extensions }: OperationParams): unknown {
    const hash = hashOf(extensions);
    const hasText = typeof query === "string" && query !== "";
    if (this.#only) {
      const named = hash ?? (hasText ? sha256Of(query) : undefined);
      const known = named === undefined ? undefined : this.#known.get(named);
      if (known !== undefined && (!hasText || query === known)) return known;
      throw refusal(
        "this server runs only the operations that its operator has listed, and this is none of them",
        "PERSISTED_QUERY_ONLY",
        403,
      );
    }
    if (hash === undefined) return query;
    if (!hasText) {
      const text = this.#known.get(hash) ?? this.#learnt.get(hash);
      // Clients know this message and code, and send hash and text then; the status must not end their attempt.
      if (text === undefined) throw refusal("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND", 200);
      return text;
    }
    const actual = sha256Of(query);
    if (actual !== hash) {
      throw refusal(`sha256Hash is ${hash}, the query's is ${actual}`, "PERSISTED_QUERY_HASH_MISMATCH", 400);
    }
    this.#learnt.set(hash, query);
    return query;
  }
}

function hashOf(extensions: unknown): string | undefined {
  if (typeof extensions !== "object" || extensions === null || !("persistedQuery" in extensions)) return undefined;
  const { persistedQuery } = extensions;
  const { version, sha256Hash } = (persistedQuery ?? {}) as Record<string, unknown>;
  if (version === 1 && typeof sha256Hash === "string" && /^[0-9a-f]{64}$/.test(sha256Hash)) return sha256Hash;
  throw refusal(
    "extensions.persistedQuery must be {version: 1, sha256Hash} with 64 lower-case hex digits",
    "BAD_REQUEST",
    400,
  );
}

function readOperations(path: string): ReadonlyMap<string, string> {
  if (statSync(path).isDirectory()) {
    const names = readdirSync(path).filter((name) => /\.(graphql|gql)$/.test(name));
    return new Map(
      names.map((name) => {
        const text = readFileSync(join(path, name), "utf8");
        return [sha256Of(text), text];
      }),
    );
  }
  const entries = entriesOf(JSON.parse(readFileSync(path, "utf8")));
  if (entries === undefined) {
    throw new Error(`${path} is no list of operations: expected {"<sha256>": "<text>"} or Apollo's manifest`);
  }
  for (const [hash, text] of entries) {
    const actual = sha256Of(text);
    if (actual !== hash) throw new Error(`${path} names an operation ${hash}, its SHA-256 is ${actual}`);
  }
  return new Map(entries);
}

function entriesOf(json: unknown): [string, string][] | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const entries =
    "operations" in json && Array.isArray(json.operations)
      ? json.operations.map((operation: { id?: unknown; body?: unknown } | null) => [operation?.id, operation?.body])
      : Object.entries(json);
  const isText = ([hash, text]: unknown[]): boolean => typeof hash === "string" && typeof text === "string";
  return entries.every(isText) ? (entries as [string, string][]) : undefined;
}
