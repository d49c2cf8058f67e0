/** A network's first block and the state after it, from its genesis. */
import type { Domain } from "../consensus/scheme.ts";
import { ZERO_32 } from "../core/bytes.ts";
import type { ExecutedBlock, Header } from "../core/chain.ts";
import { EMPTY_BLOOM } from "../execution/block/bloom.ts";
import { NO_L1_ORIGIN } from "../execution/block/execute.ts";
import { hashHeader, protocolFields } from "../execution/block/header.ts";
import { openStateDatabase } from "../execution/state/database.ts";
import { EMPTY_TRIE_ROOT } from "../execution/state/trie-node.ts";
import type { BatchWriter, KeyValueReader } from "../execution/state/types.ts";
import { genesisAccounts, rulesHash } from "../genesis/builder.ts";
import type { Genesis } from "../genesis/schema.ts";

/** In place of the contract on L1 that verifies certificates. */
const NO_L1_CONTRACT = new Uint8Array(20);

/** What the network's votes are for. */
export const domainOf = ({ chainId, l1 }: Genesis): Domain => ({ chainId, l1Contract: l1?.oracle ?? NO_L1_CONTRACT });

export interface GenesisBlock {
  readonly block: ExecutedBlock;
  stageState(batch: BatchWriter): void;
}

/** `reader` is the empty store that the state will be written to. */
export function buildGenesisBlock(genesis: Genesis, reader: KeyValueReader): GenesisBlock {
  const database = openStateDatabase({ reader, headRoot: EMPTY_TRIE_ROOT });
  const layer = database.head.fork();
  for (const account of genesisAccounts(genesis)) {
    const codeHash = layer.addCode(account.code);
    const { balanceWei: balance, nonce } = account;
    layer.setAccount(account.address, { nonce, balance, codeHash, storageRoot: EMPTY_TRIE_ROOT });
    for (const { slot, value } of account.storage) layer.setStorage(account.address, slot, value);
  }
  const sealed = database.seal(layer);
  const header: Header = {
    ...protocolFields,
    ...NO_L1_ORIGIN,
    parentHash: ZERO_32,
    coinbase: new Uint8Array(20),
    stateRoot: sealed.stateRoot,
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    withdrawalsRoot: EMPTY_TRIE_ROOT,
    logsBloom: EMPTY_BLOOM,
    number: 0n,
    gasLimit: genesis.gasLimit,
    gasUsed: 0n,
    timestamp: genesis.timestamp,
    extraData: rulesHash(genesis),
    baseFeePerGas: genesis.baseFeeWei,
  };
  const block = { hash: hashHeader(header), header, transactions: [], receipts: [] };
  return { block, stageState: (batch) => database.stage(sealed, batch) };
}
