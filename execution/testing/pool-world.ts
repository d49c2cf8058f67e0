/** For tests of the pool: accounts that are told what they are, and transactions that nobody signed. */
import { bigIntToFixed, bytesToHex, EMPTY_BYTES } from "../../core/bytes.ts";
import type { Authorization, Transaction } from "../../core/chain.ts";
import { ecdsaSign, KECCAK_EMPTY, keccak256, recoverAddress } from "../../core/crypto.ts";
import type { AccountState, StateReader } from "../state/types.ts";
import { signAuthorization } from "../tx/sign.ts";

export class FakeState implements StateReader {
  readonly accounts = new Map<string, AccountState>();
  readonly codes = new Map<string, Uint8Array>();
  set(address: Uint8Array, nonce: bigint, balance: bigint, code: Uint8Array = EMPTY_BYTES): void {
    const codeHash = code.length === 0 ? KECCAK_EMPTY : keccak256(code);
    this.codes.set(bytesToHex(codeHash), code);
    this.accounts.set(bytesToHex(address), { nonce, balance, codeHash, storageRoot: KECCAK_EMPTY });
  }
  account(address: Uint8Array): AccountState | undefined {
    return this.accounts.get(bytesToHex(address));
  }
  storage(): Uint8Array {
    return EMPTY_BYTES;
  }
  code(codeHash: Uint8Array): Uint8Array {
    return this.codes.get(bytesToHex(codeHash)) ?? EMPTY_BYTES;
  }
}

const keyOf = (i: number): Uint8Array => bigIntToFixed(BigInt(i + 1), 32);

function addressOf(key: Uint8Array): Uint8Array {
  const { r, s, yParity } = ecdsaSign(KECCAK_EMPTY, key);
  return recoverAddress(KECCAK_EMPTY, r, s, yParity)!;
}

const ADDRESSES = Array.from({ length: 20 }, (_, i) => addressOf(keyOf(i)));

/** Of the i-th of twenty senders. */
export const address = (i: number): Uint8Array => ADDRESSES[i]!;

const authorizations = new Map<number, Authorization>();

/** By the i-th sender, for any nonce: the pool does not look at it. */
function authorization(i: number): Authorization {
  const known = authorizations.get(i);
  if (known !== undefined) return known;
  const made = signAuthorization({ chainId: 1n, address: new Uint8Array(20).fill(7), nonce: 0n }, keyOf(i));
  authorizations.set(i, made);
  return made;
}

export interface TxOptions {
  readonly fee?: bigint;
  readonly tip?: bigint;
  readonly value?: bigint;
  readonly gas?: bigint;
  readonly bytes?: number;
  readonly create?: boolean;
  readonly dataBytes?: number;
  /** Senders whose authorizations it carries. */
  readonly authorities?: readonly number[];
}

let unique = 0n;

/** Each has another hash. Every byte is zero. */
export function makeTx(sender: number, nonce: bigint, options: TxOptions = {}): Transaction {
  const fee = options.fee ?? 2n * 10n ** 9n;
  const authorities = options.authorities ?? [];
  return {
    type: authorities.length > 0 ? 4 : 2,
    raw: new Uint8Array(options.bytes ?? 110),
    hash: keccak256(bigIntToFixed(unique++, 32)),
    from: address(sender),
    to: options.create ? undefined : new Uint8Array(20).fill(9),
    nonce,
    gasLimit: options.gas ?? 21_000n + 25_000n * BigInt(authorities.length),
    maxFeePerGas: fee,
    maxPriorityFeePerGas: options.tip ?? fee,
    value: options.value ?? 0n,
    data: new Uint8Array(options.dataBytes ?? 0),
    chainId: 1n,
    accessList: [],
    authorizationList: authorities.map(authorization),
    v: 0n,
    r: 1n,
    s: 1n,
  };
}
