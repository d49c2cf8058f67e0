/** eth_capabilities: how far back this node answers, for whoever chooses among nodes. */
import { bytesToHex } from "../../../core/bytes.ts";
import type { ExecutedBlock } from "../../../core/chain.ts";
import type { ChainApi } from "../../chain-api.ts";
import { type Methods, method } from "../context.ts";
import { toQuantity } from "../format.ts";

/**
 * The lowest block from which on every block `isKept`, which the head is. Where a chain began with a checkpoint the
 * genesis block is here nevertheless, so it only counts together with the next one.
 */
function oldest(chain: ChainApi, isKept: (block: ExecutedBlock) => boolean): bigint {
  const has = (number: bigint): boolean => {
    const block = chain.block(number);
    return block !== undefined && isKept(block);
  };
  let high = chain.head.number;
  if (high === 0n) return 0n;
  if (has(1n)) return has(0n) ? 0n : 1n;
  let low = 1n; // not kept
  while (low + 1n < high) {
    const middle = (low + high) / 2n;
    if (has(middle)) high = middle;
    else low = middle;
  }
  return high;
}

export const ethCapabilities: Methods = {
  eth_capabilities: method([], ({ chain }) => {
    const resource = (oldestBlock: bigint) => ({ disabled: false, oldestBlock: toQuantity(oldestBlock) });
    const blocks = resource(oldest(chain, () => true));
    const state = resource(oldest(chain, (block) => chain.state(block) !== undefined));
    const head = { number: toQuantity(chain.head.number), hash: bytesToHex(chain.head.hash) };
    return { head, state, tx: blocks, logs: blocks, receipts: blocks, blocks, stateproofs: state };
  }),
};
