/**
 * Governed parameters of the native operations. They live in the storage of the Parameters predeploy, one value a
 * slot (slot number = position below), so that precompiles read them and governance can change them later.
 */
export interface Parameters {
  /** m of span-v1, bytes. */
  readonly minSpanBytes: bigint;
  /** Wei an inference, whole to the treasury. */
  readonly platformFeeWei: bigint;
  /** Parts per million of (fee - platform fee); they sum to 1,000,000. */
  readonly treasuryPpm: bigint;
  readonly modelPpm: bigint;
  readonly stakersPpm: bigint;
  readonly contributorsPpm: bigint;
  /** Seconds from the request to the last moment of a commitment. */
  readonly commitWindowSeconds: bigint;
  /** Seconds from the commitment until it can be settled. */
  readonly settleWindowSeconds: bigint;
  /** A host locks this many times the fee per open claim. */
  readonly stakeMultiple: bigint;
  /** Of the L1 data fee, parts per million of L1's base fee; at most 32 bits. Nothing of it without an L1. */
  readonly l1BaseFeeScalar: bigint;
  /** The same, of L1's blob base fee. */
  readonly l1BlobBaseFeeScalar: bigint;
  /** Wei that whoever demands a chunk of a host puts up; it pays whoever shows the chunk. */
  readonly availabilityBondWei: bigint;
}

/** Slot numbers of the Parameters predeploy, in order. Append only. */
export const PARAMETER_SLOTS: readonly (keyof Parameters)[] = [
  "minSpanBytes",
  "platformFeeWei",
  "treasuryPpm",
  "modelPpm",
  "stakersPpm",
  "contributorsPpm",
  "commitWindowSeconds",
  "settleWindowSeconds",
  "stakeMultiple",
  "l1BaseFeeScalar",
  "l1BlobBaseFeeScalar",
  "availabilityBondWei",
];

/** The L1 attributes have four bytes for each. */
export const MAX_L1_FEE_SCALAR = 2n ** 32n - 1n;

export const PPM = 1_000_000n;
