/** Bounds of every request; units in the names. Why these: docs and node/rpc/README.md. */
export interface RpcLimits {
  readonly requestBytes: number;
  readonly batchItems: number;
  readonly responseBytes: number;
  readonly requestTimeoutMs: number;
  readonly callGas: bigint;
  readonly logBlocks: number;
  readonly logResults: number;
  readonly logAddresses: number;
  readonly logTopicAlternatives: number;
  readonly proofSlots: number;
  readonly feeHistoryBlocks: number;
  readonly feeHistoryPercentiles: number;
  readonly simulatedBlocks: number;
  readonly filters: number;
  readonly filterLifetimeMs: number;
  readonly subscriptionsPerSession: number;
  /** Hashes kept for newPendingTransactionFilter between two polls. */
  readonly pendingHashes: number;
  /** Longest wait of eth_sendRawTransactionSync, and the one without a timeout argument. */
  readonly syncWaitMs: number;
  readonly syncWaits: number;
}

export const DEFAULT_RPC_LIMITS: RpcLimits = {
  requestBytes: 5 * 1024 * 1024,
  batchItems: 100,
  responseBytes: 25_000_000,
  requestTimeoutMs: 30_000,
  callGas: 50_000_000n,
  logBlocks: 10_000,
  logResults: 10_000,
  logAddresses: 1_000,
  logTopicAlternatives: 1_000,
  proofSlots: 1_024,
  feeHistoryBlocks: 1_024,
  feeHistoryPercentiles: 100,
  simulatedBlocks: 256,
  filters: 1_024,
  filterLifetimeMs: 5 * 60 * 1_000,
  subscriptionsPerSession: 1_024,
  pendingHashes: 8_192,
  syncWaitMs: 20_000,
  syncWaits: 256,
};
