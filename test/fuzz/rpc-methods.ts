/** Every method with what its arguments are: the ground on which requests are made. */

export type Kind =
  | "account"
  | "hash"
  | "block"
  | "quantity"
  | "boolean"
  | "bytes"
  | "transaction"
  | "call"
  | "overrides"
  | "blockOverrides"
  | "filter"
  | "filterId"
  | "slots"
  | "slotsByAccount"
  | "percentiles"
  | "simulation"
  | "trace"
  | "topic"
  | "milliseconds";

export const METHODS: Readonly<Record<string, readonly Kind[]>> = {
  eth_chainId: [],
  eth_blockNumber: [],
  eth_syncing: [],
  eth_accounts: [],
  eth_capabilities: [],
  eth_getBlockByNumber: ["block", "boolean"],
  eth_getBlockByHash: ["hash", "boolean"],
  eth_getHeaderByNumber: ["block"],
  eth_getHeaderByHash: ["hash"],
  eth_getBlockReceipts: ["block"],
  eth_getBlockTransactionCountByNumber: ["block"],
  eth_getBlockTransactionCountByHash: ["hash"],
  eth_getUncleCountByBlockNumber: ["block"],
  eth_getUncleCountByBlockHash: ["hash"],
  eth_getUncleByBlockNumberAndIndex: ["block", "quantity"],
  eth_getUncleByBlockHashAndIndex: ["hash", "quantity"],
  eth_gasPrice: [],
  eth_baseFee: [],
  eth_maxPriorityFeePerGas: [],
  eth_feeHistory: ["quantity", "block", "percentiles"],
  eth_blobBaseFee: [],
  eth_getBalance: ["account", "block"],
  eth_getTransactionCount: ["account", "block"],
  eth_getCode: ["account", "block"],
  eth_getStorageAt: ["account", "quantity", "block"],
  eth_getStorageValues: ["slotsByAccount", "block"],
  eth_getProof: ["account", "slots", "block"],
  eth_config: [],
  eth_call: ["call", "block", "overrides", "blockOverrides"],
  eth_estimateGas: ["call", "block", "overrides", "blockOverrides"],
  eth_createAccessList: ["call", "block", "overrides", "blockOverrides"],
  eth_simulateV1: ["simulation", "block"],
  eth_fillTransaction: ["call"],
  eth_sendRawTransaction: ["transaction"],
  eth_sendRawTransactionSync: ["transaction", "milliseconds"],
  eth_getTransactionByHash: ["hash"],
  eth_getTransactionByBlockNumberAndIndex: ["block", "quantity"],
  eth_getTransactionByBlockHashAndIndex: ["hash", "quantity"],
  eth_getTransactionReceipt: ["hash"],
  eth_getRawTransactionByHash: ["hash"],
  eth_getRawTransactionByBlockNumberAndIndex: ["block", "quantity"],
  eth_getRawTransactionByBlockHashAndIndex: ["hash", "quantity"],
  debug_getRawTransaction: ["hash"],
  debug_getRawHeader: ["block"],
  debug_getRawBlock: ["block"],
  debug_getRawReceipts: ["block"],
  debug_getBadBlocks: [],
  debug_traceTransaction: ["hash", "trace"],
  debug_traceCall: ["call", "block", "trace"],
  debug_traceBlockByNumber: ["block", "trace"],
  debug_traceBlockByHash: ["hash", "trace"],
  debug_traceBlock: ["bytes", "trace"],
  eth_getLogs: ["filter"],
  eth_newFilter: ["filter"],
  eth_newBlockFilter: [],
  eth_newPendingTransactionFilter: ["boolean"],
  eth_getFilterChanges: ["filterId"],
  eth_getFilterLogs: ["filterId"],
  eth_uninstallFilter: ["filterId"],
  eth_subscribe: ["topic", "filter"],
  eth_unsubscribe: ["filterId"],
  net_version: [],
  net_listening: [],
  net_peerCount: [],
  web3_clientVersion: [],
  web3_sha3: ["bytes"],
  rpc_modules: [],
  txpool_status: [],
  txpool_content: [],
  txpool_contentFrom: ["account"],
  txpool_inspect: [],
  admin_nodeInfo: [],
  admin_peers: [],
  admin_datadir: [],
  openledger_getEpochEnds: ["quantity", "quantity"],
  openledger_getCertificate: ["block"],
  openledger_getRawBlock: ["block"],
};
