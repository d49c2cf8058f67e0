/** Small random worlds: accounts, programs and transactions, and @ethereumjs/vm running the same as an oracle. */
import type { Common } from "@ethereumjs/common";
import { MerkleStateManager } from "@ethereumjs/statemanager";
import { Account, Address } from "@ethereumjs/util";
import { createVM, type VM } from "@ethereumjs/vm";
import fc from "fast-check";
import { bigIntToFixed, padTo32 } from "../../core/bytes.ts";
import type { Authorization } from "../../core/chain.ts";
import { addressOf, KECCAK_EMPTY, keccak256 } from "../../core/crypto.ts";
import { createCommon } from "../common.ts";
import type { ChainRules } from "../rules.ts";
import { keyBytes } from "../state/keys.ts";
import type { OverlayLayer } from "../state/layer.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import type { StateLayer } from "../state/types.ts";
import { delegationCode } from "../tx/authorization.ts";
import { signAuthorization, signTransaction, type UnsignedTransaction } from "../tx/sign.ts";
import { initCode, program } from "./programs.ts";

export const KEYS: readonly Uint8Array[] = Array.from({ length: 5 }, (_, i) =>
  bigIntToFixed(BigInt(i + 1) * 0x1234567n, 32),
);
export const SENDERS: readonly Uint8Array[] = KEYS.map(addressOf);
export const CONTRACTS: readonly Uint8Array[] = Array.from({ length: 5 }, (_, i) => new Uint8Array(20).fill(0xc1 + i));
export const COINBASE = new Uint8Array(20).fill(0xfe);
export const BLOCK_NUMBER = 400n;
const ABSENT = [new Uint8Array(20).fill(0xaa), new Uint8Array(20).fill(0xbb)];
const NATIVE = Array.from({ length: 0x11 }, (_, i) => bigIntToFixed(BigInt(i + 1), 20)).concat(
  bigIntToFixed(0x100n, 20),
);
export const ADDRESSES: readonly Uint8Array[] = [...SENDERS, ...CONTRACTS, ...ABSENT, ...NATIVE, COINBASE];
const EVERYWHERE = program(ADDRESSES, BLOCK_NUMBER);

export const hashOfBlock = (number: bigint): Uint8Array => keccak256(bigIntToFixed(number, 8));

export interface GenesisAccount {
  readonly address: Uint8Array;
  readonly nonce: bigint;
  readonly balance: bigint;
  readonly code: Uint8Array;
  readonly storage: readonly (readonly [slot: number, value: number])[];
}

/** Senders, some of them delegated (EIP-7702), and contracts with some storage. */
export const genesis: fc.Arbitrary<GenesisAccount[]> = fc
  .tuple(
    fc.tuple(
      ...CONTRACTS.map(() =>
        fc.tuple(EVERYWHERE, fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 2 })), { maxLength: 3 })),
      ),
    ),
    fc.tuple(
      ...SENDERS.map(() => fc.option(fc.constantFrom(...CONTRACTS, ...NATIVE, ...ABSENT), { freq: 4, nil: undefined })),
    ),
    fc.constantFrom(10n ** 18n, 10n ** 15n),
  )
  .map(([contracts, delegations, balance]) => [
    ...contracts.map(([code, storage], i) => ({ address: CONTRACTS[i]!, nonce: 1n, balance: 100n, code, storage })),
    ...SENDERS.map((address, i) => {
      const target = delegations[i];
      const code = target === undefined ? new Uint8Array(0) : delegationCode(target);
      return { address, nonce: BigInt(i), balance, code, storage: [] };
    }),
  ]);

export function loadGenesis(layer: StateLayer, accounts: readonly GenesisAccount[]): void {
  for (const { address, nonce, balance, code, storage } of accounts) {
    const codeHash = code.length === 0 ? KECCAK_EMPTY : layer.addCode(code);
    layer.setAccount(address, { nonce, balance, codeHash, storageRoot: EMPTY_TRIE_ROOT });
    for (const [slot, value] of storage) {
      layer.setStorage(address, bigIntToFixed(BigInt(slot), 32), bigIntToFixed(BigInt(value), 32));
    }
  }
}

/** A transaction before its nonce is known: most are valid, some miss by a little. */
export interface Plan {
  readonly sender: number;
  readonly nonceOffset: bigint;
  readonly authorizations: readonly {
    readonly key: number;
    readonly target: Uint8Array;
    readonly chain: "any" | "own" | "other";
    readonly nonceOffset: bigint;
  }[];
  readonly tx: Omit<UnsignedTransaction, "nonce" | "chainId" | "authorizationList">;
}

const mostly = <T>(usual: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
const accessList = fc.array(
  fc.record({
    address: fc.constantFrom(...ADDRESSES),
    storageKeys: fc.array(
      fc.nat(3).map((slot) => bigIntToFixed(BigInt(slot), 32)),
      { maxLength: 3 },
    ),
  }),
  { maxLength: 3 },
);

export const plan: fc.Arbitrary<Plan> = fc
  .record({
    sender: fc.nat(KEYS.length - 1),
    nonceOffset: mostly(0n, fc.constantFrom(-1n, 1n)),
    type: fc.constantFrom<0 | 1 | 2 | 4>(0, 1, 2, 2, 4),
    to: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...CONTRACTS) },
      { weight: 3, arbitrary: fc.constantFrom(...ADDRESSES) },
      { weight: 2, arbitrary: fc.constant(undefined) },
    ),
    fallbackTo: fc.constantFrom(...CONTRACTS),
    creation: fc.oneof(
      fc.tuple(EVERYWHERE, EVERYWHERE).map(([code, before]) => initCode(code, before)),
      EVERYWHERE,
    ),
    data: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 100, maxLength: 900 })),
    gasLimit: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(400_000n, 1_000_000n) },
      { weight: 3, arbitrary: fc.bigInt({ min: 20_900n, max: 90_000n }) },
    ),
    maxFeePerGas: mostly(1_000_000_000n, fc.constantFrom(6n, 7n, 10n ** 10n)),
    maxPriorityFeePerGas: fc.constantFrom(0n, 0n, 1n, 5_000n, 10n ** 9n),
    value: mostly(1n, fc.constantFrom(0n, 12_345n, 10n ** 15n, 10n ** 18n)),
    accessList,
    authorizations: fc.array(
      fc.record({
        key: fc.nat(KEYS.length - 1),
        target: fc.constantFrom(...CONTRACTS, ...ABSENT, NATIVE[0]!, new Uint8Array(20)),
        chain: fc.constantFrom<"any" | "own" | "other">("any", "own", "own", "other"),
        nonceOffset: mostly(0n, fc.constantFrom(1n)),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ sender, nonceOffset, authorizations, type, to, fallbackTo, creation, data, ...rest }) => {
    const recipient = type === 4 ? (to ?? fallbackTo) : to;
    return {
      sender,
      nonceOffset,
      authorizations: type === 4 ? authorizations : [],
      tx: {
        ...rest,
        type,
        to: recipient,
        data: recipient === undefined ? creation : data,
        maxPriorityFeePerGas: type <= 1 ? rest.maxFeePerGas : rest.maxPriorityFeePerGas,
        accessList: type === 0 ? [] : rest.accessList,
      },
    };
  });

/** Signs the plan for the nonces that the state has now. */
export function signPlan(plan: Plan, state: Pick<StateLayer, "account">, chainId: bigint): Uint8Array {
  const from = SENDERS[plan.sender]!;
  const nonce = state.account(from)?.nonce ?? 0n;
  const authorizationList = plan.authorizations.map(({ key, target, chain, nonceOffset }): Authorization => {
    const authority = SENDERS[key]!;
    const own = (state.account(authority)?.nonce ?? 0n) + (key === plan.sender ? 1n : 0n);
    const onChain = chain === "any" ? 0n : chain === "own" ? chainId : chainId + 1n;
    return signAuthorization({ chainId: onChain, address: target, nonce: own + nonceOffset }, KEYS[key]!);
  });
  const shifted = nonce + plan.nonceOffset;
  return signTransaction(
    { ...plan.tx, chainId, nonce: shifted < 0n ? 0n : shifted, authorizationList },
    KEYS[plan.sender]!,
  );
}

export interface Oracle {
  readonly vm: VM;
  readonly common: Common;
  readonly state: MerkleStateManager;
}

/** @ethereumjs/vm with its own Merkle state manager over the same accounts. */
export async function createOracle(rules: ChainRules, accounts: readonly GenesisAccount[]): Promise<Oracle> {
  const common = createCommon(rules, "own");
  const state = new MerkleStateManager({ common });
  const blockchain = {
    getBlock: async (number: number) => ({ hash: () => hashOfBlock(BigInt(number)) }),
    putBlock: async () => {},
    shallowCopy: () => blockchain,
  };
  const vm = await createVM({ common, stateManager: state, evmOpts: { blockchain, common, stateManager: state } });
  for (const { address, nonce, balance, code, storage } of accounts) {
    const account = new Address(address);
    await state.putAccount(account, new Account(nonce, balance));
    if (code.length > 0) await state.putCode(account, code);
    for (const [slot, value] of storage) {
      await state.putStorage(account, bigIntToFixed(BigInt(slot), 32), Uint8Array.of(value));
    }
  }
  return { vm, common, state };
}

/** State root of a layer that stands on nothing, computed by @ethereumjs/statemanager. */
export async function stateRootOf(layer: OverlayLayer, rules: ChainRules): Promise<Uint8Array> {
  const state = new MerkleStateManager({ common: createCommon(rules, "own") });
  for (const [key, account] of layer.accounts) {
    if (account === undefined) continue;
    const address = new Address(keyBytes(key));
    await state.putAccount(address, new Account(account.nonce, account.balance));
    const code = layer.code(account.codeHash);
    if (code.length > 0) await state.putCode(address, code);
    for (const [slot, value] of layer.storages.get(key)?.slots ?? []) {
      if (value.length > 0) await state.putStorage(address, padTo32(keyBytes(slot)), value);
    }
  }
  return state.getStateRoot();
}
