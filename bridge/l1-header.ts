/**
 * Headers of L1. Each fork appended fields to the list; a header has those of its fork and none of a later one, so what is
 * hashed follows from which are there: London baseFeePerGas, Shanghai withdrawalsRoot, Cancun blobGasUsed, excessBlobGas
 * and parentBeaconBlockRoot (EIP-4844, EIP-4788), Prague requestsHash (EIP-7685); Osaka added none.
 */
import { keccak256 } from "../core/crypto.ts";
import { type RlpInput, rlpEncode } from "../core/rlp.ts";

export interface L1Header {
  readonly parentHash: Uint8Array;
  readonly uncleHash: Uint8Array;
  readonly coinbase: Uint8Array;
  readonly stateRoot: Uint8Array;
  readonly transactionsRoot: Uint8Array;
  readonly receiptsRoot: Uint8Array;
  readonly logsBloom: Uint8Array;
  readonly difficulty: bigint;
  readonly number: bigint;
  readonly gasLimit: bigint;
  readonly gasUsed: bigint;
  readonly timestamp: bigint;
  readonly extraData: Uint8Array;
  /** Since the Merge prevRandao. */
  readonly mixHash: Uint8Array;
  readonly nonce: Uint8Array;
  readonly baseFeePerGas: bigint | undefined;
  readonly withdrawalsRoot: Uint8Array | undefined;
  readonly blobGasUsed: bigint | undefined;
  readonly excessBlobGas: bigint | undefined;
  readonly parentBeaconBlockRoot: Uint8Array | undefined;
  readonly requestsHash: Uint8Array | undefined;
}

/** keccak256 of the header's RLP. Undefined when a field is missing before one that is there: of no fork. */
export function hashL1Header(header: L1Header): Uint8Array | undefined {
  const tail = [
    header.baseFeePerGas,
    header.withdrawalsRoot,
    header.blobGasUsed,
    header.excessBlobGas,
    header.parentBeaconBlockRoot,
    header.requestsHash,
  ];
  const missing = tail.indexOf(undefined);
  const fields = missing === -1 ? tail : tail.slice(0, missing);
  if (tail.slice(fields.length).some((field) => field !== undefined)) return undefined;
  return keccak256(
    rlpEncode([
      header.parentHash,
      header.uncleHash,
      header.coinbase,
      header.stateRoot,
      header.transactionsRoot,
      header.receiptsRoot,
      header.logsBloom,
      header.difficulty,
      header.number,
      header.gasLimit,
      header.gasUsed,
      header.timestamp,
      header.extraData,
      header.mixHash,
      header.nonce,
      ...(fields as RlpInput[]),
    ]),
  );
}

/** EIP-4844's MIN_BASE_FEE_PER_BLOB_GAS, wei. */
const MIN_BLOB_BASE_FEE = 1n;
/** e ** 100 wei is more than there is; it bounds the work that a header can ask for. */
const MAX_EXPONENT = 100n;

/**
 * Wei for a unit of blob gas: EIP-4844's fake_exponential(1, excessBlobGas, updateFraction), which approximates
 * e ** (excessBlobGas / updateFraction). The minimum before Cancun.
 */
export function blobBaseFee(excessBlobGas: bigint | undefined, updateFraction: bigint): bigint {
  if (excessBlobGas === undefined) return MIN_BLOB_BASE_FEE;
  const excess = excessBlobGas < MAX_EXPONENT * updateFraction ? excessBlobGas : MAX_EXPONENT * updateFraction;
  let sum = 0n;
  let term = MIN_BLOB_BASE_FEE * updateFraction;
  for (let i = 1n; term > 0n; i++) {
    sum += term;
    term = (term * excess) / (updateFraction * i);
  }
  return sum / updateFraction;
}

/** Blob schedules (EIP-7892): from which time, in Unix seconds, which update fraction. */
type Schedule = readonly (readonly [from: bigint, updateFraction: bigint])[];

const CANCUN_FRACTION = 3_338_477n;
const PRAGUE_FRACTION = 5_007_716n;
const BPO1_FRACTION = 8_346_193n;
const BPO2_FRACTION = 11_684_671n;

const SCHEDULES: ReadonlyMap<bigint, Schedule> = new Map([
  [
    1n,
    [
      [0n, CANCUN_FRACTION],
      [1_746_612_311n, PRAGUE_FRACTION],
      [1_765_290_071n, BPO1_FRACTION],
      [1_767_747_671n, BPO2_FRACTION],
    ],
  ],
  [
    11_155_111n,
    [
      [0n, CANCUN_FRACTION],
      [1_741_159_776n, PRAGUE_FRACTION],
      [1_761_017_184n, BPO1_FRACTION],
      [1_761_607_008n, BPO2_FRACTION],
    ],
  ],
  [
    560_048n,
    [
      [0n, CANCUN_FRACTION],
      [1_742_999_832n, PRAGUE_FRACTION],
      [1_762_365_720n, BPO1_FRACTION],
      [1_762_955_544n, BPO2_FRACTION],
    ],
  ],
]);

/**
 * The update fraction that L2's L1 data fee goes by: the L1's own where it is Ethereum's, Sepolia or Hoodi, Prague's
 * everywhere else. A header does not say it, and every node must use the same.
 */
export function updateFraction(l1ChainId: bigint, timestamp: bigint): bigint {
  return SCHEDULES.get(l1ChainId)?.findLast(([from]) => timestamp >= from)?.[1] ?? PRAGUE_FRACTION;
}
