/** Bounds that the precompiles hold, in one place; docs/precompiles.md prints them. */
export const LIMITS = {
  nameBytes: 64,
  domainBytes: 64,
  uriBytes: 256,
  reasonBytes: 256,
  parents: 16,
  maxScore: 10_000,
  idsAPage: 256,

  /** Own training data of a model. */
  dataRefs: 16,
  /** Datanets of a model with all of its ancestors. */
  flattenedDatanets: 64,
  /** Ancestors of a model. */
  lineageDepth: 8,
  royaltyPpm: 500_000,
  hostPpm: 1_000_000,

  requestBytes: 2 ** 20,
  publicOutputBytes: 16 * 1024,
  privateOutputBytes: 2 ** 20,
  /** Answers of one commitment, claims of one settlement. */
  batchItems: 256,
  /** Demanded chunks of one inference that wait at once. */
  openDemands: 64,
  /** Of a window, each by half of it. */
  extensions: 2,
  /** Escrows and stakes are kept in 128 bits. */
  amountWei: 2n ** 128n - 1n,
} as const;
