/** Gas that the host charges stateful precompiles: the prices of the corresponding opcodes since Prague, as numbers. */
export const GAS = {
  /** EIP-2929. */
  coldSlot: 2_100n,
  warmAccess: 100n,
  coldAccount: 2_600n,
  /** EIP-2200 with EIP-2929: SSTORE. */
  storeSentry: 2_300n,
  storeSet: 20_000n,
  storeReset: 2_900n,
  storeDirty: 100n,
  /** EIP-3529 refunds. */
  refundClear: 4_800n,
  refundSetUndone: 19_900n,
  refundResetUndone: 2_800n,
  /** A CALL with value, less the stipend: nothing runs at the recipient. */
  credit: 6_700n,
  newAccount: 25_000n,
  log: 375n,
  logTopic: 375n,
  logByte: 8n,
  keccak: 30n,
  keccakWord: 6n,
  recover: 3_000n,
} as const;
