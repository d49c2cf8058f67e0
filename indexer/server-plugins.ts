/** What stands between a GraphQL request and its resolvers: which operations, how large, on which snapshot, how slow. */
import { performance } from "node:perf_hooks";
import { type ExecutionArgs, type ExecutionResult, GraphQLError, parse } from "graphql/index.js";
import type { Plugin } from "graphql-yoga";
import type { ControlledTransaction, Kysely } from "kysely";
import { Gate } from "../core/gate.ts";
import { aliasLimit, findExcess, measureOperation, type QueryLimits } from "./limits.ts";
import { Reader } from "./loaders.ts";
import { type PersistedOperations, sha256Of } from "./persisted-operations.ts";
import type { GraphqlContext } from "./schema-builder.ts";
import { busy, tooLong, unavailable } from "./server-errors.ts";
import type { IndexerLog } from "./store.ts";
import { type EventFeed, settled } from "./subscriptions.ts";
import type { Database } from "./tables.ts";

/** Fields that a subscriber may have resolved for one event: all that listen to a block share its time. */
const MAX_EVENT_COST = 5_000;

export function persistedPlugin(operations: PersistedOperations): Plugin {
  return {
    onParams: ({ params, setParams }) => {
      const query = operations.textOf(params);
      // What is no text is refused by the check of parameters that follows.
      if (query !== params.query) setParams({ ...params, query: query as string });
    },
  };
}

/** Variables in a URL or a form that are no JSON are the client's mistake, which yoga would take for its own. */
export function requestPlugin(): Plugin {
  return {
    onRequestParse: ({ requestParser, setRequestParser }) => {
      if (requestParser === undefined) return;
      setRequestParser(async (request) => {
        try {
          return await requestParser(request);
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
          throw new GraphQLError("variables and extensions must be JSON", {
            extensions: { code: "BAD_REQUEST", http: { status: 400 } },
          });
        }
      });
    },
  };
}

export function limitsPlugin(limits: QueryLimits): Plugin {
  return {
    onParse: ({ setParseFn }) => {
      setParseFn((source, options) => parse(source, { ...options, maxTokens: limits.maxTokens }));
    },
    onValidate: ({ addValidationRule }) => addValidationRule(aliasLimit(limits.maxAliases)),
    onExecute: ({ args, setResultAndStopExecution }) => {
      const excess = findExcess(measureOperation(args as ExecutionArgs), limits);
      if (excess !== undefined) setResultAndStopExecution({ errors: [excess] });
    },
    onSubscribe: ({ args, setResultAndStopExecution }) => {
      const maxCost = Math.min(limits.maxCost, MAX_EVENT_COST);
      const excess = findExcess(measureOperation(args as ExecutionArgs), { ...limits, maxCost });
      if (excess !== undefined) setResultAndStopExecution({ errors: [excess] });
    },
  };
}

export function subscribePlugin(feed: EventFeed): Plugin {
  return {
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn((args) => feed.subscribe(args as ExecutionArgs) as never),
  };
}

/** Fields of a query that is heavy: of these two run at a time, so that neither memory nor the other queries suffer. */
const HEAVY_COST = 5_000;
const HEAVY_AT_ONCE = 2;
const HEAVY_WAITING = 32;

/** One read transaction a request: all of an answer is of one block, which `_meta` names. */
export function snapshotPlugin(readers: Kysely<Database>, timeoutMs: number, log: IndexerLog | undefined): Plugin {
  const heavy = new Gate(HEAVY_AT_ONCE, HEAVY_WAITING);

  async function onSnapshot(startedMs: number, run: (context: GraphqlContext) => unknown): Promise<ExecutionResult> {
    const snapshot = await begin(readers, log);
    const leftMs = timeoutMs - (Date.now() - startedMs);
    if (timeoutMs > 0 && leftMs < 0) {
      await end(snapshot);
      return { errors: [busy(timeoutMs)] };
    }
    // Reads look at the clock themselves; what is made of them may take as long again. When the snapshot has ended, what
    // still runs ends with its next read.
    const late = Promise.withResolvers<ExecutionResult>();
    const timer = setTimeout(() => late.resolve({ errors: [tooLong(timeoutMs)] }), Math.max(0, leftMs));
    try {
      const done = run({ reader: new Reader(snapshot, timeoutMs, undefined, startedMs) }) as ExecutionResult;
      return settled(await Promise.race([done, late.promise]));
    } finally {
      clearTimeout(timer);
      await end(snapshot);
    }
  }

  return {
    onExecute: ({ executeFn, setExecuteFn }) => {
      setExecuteFn(async (args): Promise<ExecutionResult> => {
        const startedMs = Date.now();
        const run = () =>
          onSnapshot(startedMs, (context) =>
            executeFn({ ...args, contextValue: { ...args.contextValue, ...context } }),
          );
        if (measureOperation(args as ExecutionArgs).cost <= HEAVY_COST) return await run();
        return (await heavy.run(run)) ?? { errors: [busy(timeoutMs)] };
      });
    },
  };
}

async function begin(readers: Kysely<Database>, log: IndexerLog | undefined): Promise<ControlledTransaction<Database>> {
  try {
    return await readers.startTransaction().execute();
  } catch (err) {
    log?.error({ err }, "the index cannot be read");
    throw unavailable();
  }
}

/** On a connection that broke there is nothing to end. */
async function end(snapshot: ControlledTransaction<Database>): Promise<void> {
  await snapshot
    .rollback()
    .execute()
    .catch(() => {});
}

/** Logs what takes long: what was asked, how much of it, never with which values. */
export function slowLogPlugin(slowMs: number, log: IndexerLog | undefined): Plugin {
  return {
    onExecute: ({ args }) => {
      const startedMs = performance.now();
      return {
        onExecuteDone: () => {
          const durationMs = Math.round(performance.now() - startedMs);
          if (durationMs < slowMs) return;
          log?.warn({ ...described(args as ExecutionArgs), durationMs }, "slow GraphQL query");
        },
      };
    },
  };
}

/** Clients choose their names. */
const MAX_NAME_LENGTH = 100;

function described(args: ExecutionArgs): { operation: string; sha256: string; cost: number } {
  const operation = args.document.definitions.find((node) => node.kind === "OperationDefinition");
  const named = args.operationName ?? operation?.name?.value ?? "anonymous";
  const text = args.document.loc?.source.body ?? "";
  return { operation: named.slice(0, MAX_NAME_LENGTH), sha256: sha256Of(text), cost: measureOperation(args).cost };
}

/** Errors that clients get masked stay visible here; the rest of yoga's chatter does not. */
export function yogaLog(log: IndexerLog | undefined) {
  const silent = (): void => {};
  const error = (...parts: unknown[]): void => {
    for (const part of parts) {
      if (part instanceof GraphQLError && part.originalError === undefined) continue;
      log?.error({ err: part }, "GraphQL resolver failed");
    }
  };
  return { debug: silent, info: silent, warn: silent, error };
}
