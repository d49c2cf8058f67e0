/**
 * The port between the EVM host (execution/) and the stateful precompiles (precompiles/). Everything is synchronous:
 * state is in memory or one synchronous read away. D16: no floats, clocks, randomness or locale in here.
 */

/** What a precompile may see and do during one call. The host rolls all of it back when the frame or an outer one reverts. */
export interface PrecompileContext {
  /** Account the code runs as; equals the precompile's own address, the host refuses anything else before. */
  readonly self: Uint8Array;
  readonly caller: Uint8Array;
  readonly value: bigint;
  readonly isStatic: boolean;
  /** The transaction itself calls, not a contract in it: then the input is the transaction's data. */
  readonly isTopLevel: boolean;
  readonly chainId: bigint;
  readonly blockNumber: bigint;
  /** Unix seconds. */
  readonly timestamp: bigint;

  /** Throws the host's out-of-gas when less than `amount` remains. Call before the work it pays for. */
  useGas(amount: bigint): void;
  /** Own storage. Charges EIP-2929 (cold 2100, warm 100) first. 32-byte slot; the value as an integer. */
  load(slot: Uint8Array): bigint;
  /** Own storage. Charges EIP-2200/2929/3529 first; throws in a static frame. */
  store(slot: Uint8Array, value: bigint): void;
  /** Reads another account's storage with the same charge: governed parameters, sibling precompiles. */
  loadFrom(account: Uint8Array, slot: Uint8Array): bigint;
  /** Moves wei from the precompile's own balance to `to` without running code there. Charges as documented in the host. */
  credit(to: Uint8Array, amountWei: bigint): void;
  /** Charges LOG gas (375 + 375 a topic + 8 a byte); throws in a static frame. */
  log(topics: readonly Uint8Array[], data: Uint8Array): void;
  /** keccak256 with the KECCAK256 opcode's price (30 + 6 a word). */
  keccak(...parts: readonly Uint8Array[]): Uint8Array;
  /** Signer of a 32-byte digest, 3,000 gas as ecrecover; undefined when the signature is invalid. v is 0 or 1. */
  recover(digest: Uint8Array, v: number, r: Uint8Array, s: Uint8Array): Uint8Array | undefined;
}

/** Ends the call: `data` is the ABI-encoded custom error (empty for a bare revert). */
export class PrecompileRevert extends Error {
  readonly data: Uint8Array;
  constructor(data: Uint8Array, message: string) {
    super(message);
    this.name = "PrecompileRevert";
    this.data = data;
  }
}

export interface Precompile {
  readonly address: Uint8Array;
  readonly name: string;
  /** Returns ABI-encoded output, or throws PrecompileRevert. */
  run(context: PrecompileContext, input: Uint8Array): Uint8Array;
}
