/** Logs, filters and subscriptions. */
import { randomBytes } from "node:crypto";
import { bytesToHex } from "../../../core/bytes.ts";
import type { ExecutedBlock } from "../../../core/chain.ts";
import { logsOf } from "../../block-logs.ts";
import { type Method, type Methods, method, type RpcContext, type Session } from "../context.ts";
import { invalidParams, RPC_ERROR, RpcError, serverError } from "../errors.ts";
import { formatHeader, formatSyncStatus, formatTransaction, type Json } from "../format.ts";
import type { RpcLimits } from "../limits.ts";
import { findLogs, logQuery, logsOfBlock } from "../logs.ts";
import { boolean, type Decoder, hash, isObject, optional, required, text } from "../values.ts";

const anything: Decoder<unknown> = (value) => value;

/** One text for all subscribers of a block's head. */
const headTexts = new WeakMap<ExecutedBlock, string>();

function headText(block: ExecutedBlock): string {
  const known = headTexts.get(block);
  if (known !== undefined) return known;
  const made = JSON.stringify(formatHeader(block.header, block.hash));
  headTexts.set(block, made);
  return made;
}

function subscribe(context: RpcContext, session: Session, kind: string, argument: unknown): string {
  const { notify, subscriptions } = session;
  if (notify === undefined) throw new RpcError(RPC_ERROR.notificationsUnsupported, "notifications not supported");
  if (subscriptions.size >= context.limits.subscriptionsPerSession) {
    throw serverError(`too many subscriptions: the limit is ${context.limits.subscriptionsPerSession} a connection`);
  }
  const id = bytesToHex(randomBytes(16));
  const push = (result: string) =>
    notify(`{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"${id}","result":${result}}}`);
  subscriptions.set(id, source(context, kind, argument, push));
  return id;
}

/** Begins to push results; returns what ends it. */
function source(context: RpcContext, kind: string, argument: unknown, push: (result: string) => void): () => void {
  switch (kind) {
    case "newHeads":
      return context.blocks.listen((block) => push(headText(block)));
    case "logs": {
      const query = logQuery(context.limits)(
        isObject(argument) ? { address: argument.address, topics: argument.topics } : {},
      );
      return context.blocks.listen((block) => {
        for (const log of logsOfBlock(logsOf(block), query)) push(JSON.stringify(log));
      });
    }
    case "newPendingTransactions": {
      const isFull = argument === undefined || argument === null ? false : boolean(argument);
      return context.pool.onPending((tx) => {
        const result: Json = isFull ? formatTransaction(tx) : bytesToHex(tx.hash);
        push(JSON.stringify(result));
      });
    }
    case "syncing":
      return context.syncing.listen((status) => {
        const result = status === undefined ? false : { syncing: true, status: formatSyncStatus(status) };
        push(JSON.stringify(result));
      });
    default:
      throw new RpcError(
        RPC_ERROR.methodNotFound,
        `no ${JSON.stringify(kind.slice(0, 64))} subscription in eth namespace`,
      );
  }
}

export function ethLogs(limits: RpcLimits): Methods {
  const query = [required(logQuery(limits))] as const;
  const filterId = [required(text)] as const;
  const newFilter: Method = method(query, ({ filters }, [wanted]) => {
    if (wanted.blockHash !== undefined) throw invalidParams("a filter cannot be of one blockHash: use eth_getLogs");
    return filters.addLogs(wanted);
  });
  return {
    eth_getLogs: method(query, ({ chain }, [wanted]) => findLogs(chain, wanted, limits)),
    eth_newFilter: newFilter,
    eth_newBlockFilter: method([], ({ filters }) => filters.addBlocks()),
    eth_newPendingTransactionFilter: method([optional(boolean, false)], ({ filters }, [isFull]) =>
      filters.addPending(isFull),
    ),
    eth_getFilterChanges: method(filterId, async ({ filters, pool, chain }, [id]) => {
      const { changes, isFull } = await filters.changes(id);
      if (!isFull) return changes;
      // What has left the pool without a block is of no use to anybody any more.
      const transactions = changes.map(async (change) => {
        const txHash = hash(change);
        const found = chain.transaction(txHash);
        const tx = found?.transaction ?? (await pool.get(txHash));
        return tx && formatTransaction(tx, found);
      });
      return (await Promise.all(transactions)).filter((tx) => tx !== undefined);
    }),
    eth_getFilterLogs: method(filterId, ({ filters }, [id]) => filters.logs(id)),
    eth_uninstallFilter: method(filterId, ({ filters }, [id]) => filters.remove(id)),
    eth_subscribe: method([required(text), optional(anything, undefined)], (context, [kind, argument], session) =>
      subscribe(context, session, kind, argument),
    ),
    eth_unsubscribe: method([required(text)], (_context, [id], session) => {
      const end = session.subscriptions.get(id);
      if (end === undefined) throw serverError("subscription not found");
      end();
      return session.subscriptions.delete(id);
    }),
  };
}
