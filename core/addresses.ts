/** Accounts that the protocol itself knows. */
import { bigIntToFixed, bytesToBigInt, bytesToHex, type Hex, hexToBytes } from "./bytes.ts";
import { keccak256 } from "./crypto.ts";

/** Who calls when nobody is named. */
export const ZERO_ADDRESS = new Uint8Array(20);

export const DATANET_ADDRESS = hexToBytes("0x0000000000000000000000000000000000000901");
export const MODELS_ADDRESS = hexToBytes("0x0000000000000000000000000000000000000902");
export const ATTRIBUTION_ADDRESS = hexToBytes("0x0000000000000000000000000000000000000903");

/** Governed parameters: a predeploy whose storage precompiles read (genesis/parameters.ts has the slots). */
export const PARAMETERS_ADDRESS = hexToBytes("0x4200000000000000000000000000000000000900");
/** Receives base fees, the platform fee, the uncovered part and every remainder. Governance will own it. */
export const TREASURY_ADDRESS = hexToBytes("0x4200000000000000000000000000000000000901");
/** Holds the stakers' share until staking exists. */
export const STAKERS_ESCROW_ADDRESS = hexToBytes("0x4200000000000000000000000000000000000902");
/** The predeploy that holds the validator sets (contracts/l2/ValidatorSet.sol). */
export const VALIDATOR_SET_ADDRESS = hexToBytes("0x4200000000000000000000000000000000000903");
/** OP Stack's L2ToL1MessagePasser: what leaves for L1 is noted in its storage. */
export const MESSAGE_PASSER_ADDRESS = hexToBytes("0x4200000000000000000000000000000000000016");
/** Receives the L1 data fee. */
export const L1_FEE_VAULT_ADDRESS = hexToBytes("0x420000000000000000000000000000000000001a");
/** Whom the protocol calls contracts as (EIP-4788). Nobody has its key. */
export const SYSTEM_ADDRESS = hexToBytes("0xfffffffffffffffffffffffffffffffffffffffe");
/** Sender of each block's first deposit, which carries L1's attributes (OP Stack). Nobody has its key. */
export const DEPOSITOR_ADDRESS = hexToBytes("0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001");

const ALIAS_OFFSET = BigInt("0x1111000000000000000000000000000000001111");

/** Whom an L1 contract is on L2 (OP Stack): its address + 0x1111000000000000000000000000000000001111 mod 2^160. */
export const aliasAddress = (l1Contract: Uint8Array): Uint8Array =>
  bigIntToFixed(BigInt.asUintN(160, bytesToBigInt(l1Contract) + ALIAS_OFFSET), 20);

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LOWER_A = 0x61;
const LOWER_TO_UPPER = 0x20;

/** With checksum (EIP-55): a letter is upper case where the digit of the hash of the 40 digits is 8 or more. */
export function checksummed(address: Uint8Array): Hex {
  const digits = encoder.encode(bytesToHex(address).slice(2));
  const hash = keccak256(digits);
  for (let i = 0; i < digits.length; i++) {
    const nibble = i % 2 === 0 ? hash[i >> 1]! >> 4 : hash[i >> 1]! & 0x0f;
    if (nibble >= 8 && digits[i]! >= LOWER_A) digits[i]! -= LOWER_TO_UPPER;
  }
  return `0x${decoder.decode(digits)}`;
}
