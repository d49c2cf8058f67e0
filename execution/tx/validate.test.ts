/** Each rejection once, with the words that geth uses for it. */
import { expect, test } from "vitest";
import { bytesToHex, EMPTY_BYTES } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { DEFAULT_RULES } from "../rules.ts";
import { OverlayLayer } from "../state/layer.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import type { AccountState } from "../state/types.ts";
import { delegationCode } from "./authorization.ts";
import { gasRequirement, minimumGas } from "./intrinsic.ts";
import { checkTransaction } from "./validate.ts";

const FROM = new Uint8Array(20).fill(0x11);
const ADDRESS = `address ${bytesToHex(FROM)}`;
const RULES = { ...DEFAULT_RULES, chainId: 1n };
const state = new OverlayLayer();
const account: AccountState = { nonce: 5n, balance: 10n ** 18n, codeHash: KECCAK_EMPTY, storageRoot: EMPTY_TRIE_ROOT };
const withCode = (code: Uint8Array): AccountState => ({ ...account, codeHash: state.addCode(code) });

const valid = {
  type: 2,
  from: FROM,
  to: new Uint8Array(20).fill(0x22),
  nonce: 5n,
  gasLimit: 100_000n,
  maxFeePerGas: 100n,
  maxPriorityFeePerGas: 1n,
  value: 1n,
  data: EMPTY_BYTES,
  accessList: [],
  authorizationList: [],
} as unknown as Transaction;

function check(
  fields: Partial<Transaction>,
  sender: AccountState | undefined = account,
  gasLeft = 10_000_000n,
  rules = RULES,
  l1FeeWei = 0n,
) {
  const tx = { ...valid, ...fields };
  return checkTransaction(tx, sender, state, gasRequirement(tx), 7n, l1FeeWei, gasLeft, rules)?.message;
}

const creation = (length: number) => ({ to: undefined, data: new Uint8Array(length), gasLimit: 1_000_000n });
const full = { data: new Uint8Array(1_000).fill(1) };

test.each<[string, string | undefined, string | undefined]>([
  ["valid", check({}), undefined],
  ["a used nonce", check({ nonce: 4n }), `nonce too low: ${ADDRESS}, tx: 4 state: 5`],
  ["a gap in the nonces", check({ nonce: 6n }), `nonce too high: ${ADDRESS}, tx: 6 state: 5`],
  [
    "the last nonce (EIP-2681)",
    check({ nonce: 2n ** 64n - 1n }, { ...account, nonce: 2n ** 64n - 1n }),
    `nonce has max value: ${ADDRESS}, nonce: ${2n ** 64n - 1n}`,
  ],
  [
    "a contract as sender (EIP-3607)",
    check({}, withCode(Uint8Array.of(0xfe))),
    `sender not an eoa: ${ADDRESS}, codehash: ${bytesToHex(state.addCode(Uint8Array.of(0xfe)))}`,
  ],
  ["a delegated sender (EIP-7702)", check({}, withCode(delegationCode(FROM))), undefined],
  [
    "code that only begins like a delegation",
    check({}, withCode(Uint8Array.of(0xef, 1, 0, 1)))?.slice(0, 17),
    "sender not an eoa",
  ],
  ["the largest gas limit (EIP-7825)", check({ gasLimit: 2n ** 24n }, account, 2n ** 25n), undefined],
  [
    "more gas than that",
    check({ gasLimit: 2n ** 24n + 1n }),
    "transaction gas limit too high: cap: 16777216, tx: 16777217",
  ],
  [
    "more gas than that before Osaka",
    check({ gasLimit: 2n ** 24n + 1n }, account, 2n ** 25n, { ...RULES, hardfork: "prague" }),
    undefined,
  ],
  [
    "a tip above the fee cap",
    check({ maxPriorityFeePerGas: 101n }),
    `max priority fee per gas higher than max fee per gas: ${ADDRESS}, maxPriorityFeePerGas: 101, maxFeePerGas: 100`,
  ],
  [
    "a fee cap below the base fee",
    check({ maxFeePerGas: 6n }),
    `max fee per gas less than block base fee: ${ADDRESS}, maxFeePerGas: 6, baseFee: 7`,
  ],
  ["the whole balance", check({}, { ...account, balance: 10_000_001n }), undefined],
  [
    "a wei more than the balance",
    check({}, { ...account, balance: 10_000_000n }),
    `insufficient funds for gas * price + value: ${ADDRESS} have 10000000 want 10000001`,
  ],
  ["the block's last gas", check({}, account, 100_000n), undefined],
  ["more gas than the block has left", check({}, account, 99_999n), "gas limit reached: have 99999, want 100000"],
  ["too little gas", check({ gasLimit: 20_999n }), "intrinsic gas too low: have 20999, want 21000"],
  [
    "less gas than calldata costs in the end (EIP-7623)",
    check({ ...full, gasLimit: 60_999n }),
    "insufficient gas for floor data gas cost: have 60999, want 61000",
  ],
  ["just that gas", check({ ...full, gasLimit: 61_000n }), undefined],
  ["the largest init code (EIP-3860)", check(creation(49_152)), undefined],
  ["larger init code", check(creation(49_153)), "max initcode size exceeded: code size 49153 limit 49152"],
])("%s", (_, message, expected) => {
  expect(message).toBe(expected);
});

test("what the parts of a transaction cost before it runs", () => {
  const cost = (fields: Partial<Transaction>) => {
    const { intrinsic, floor } = gasRequirement({ ...valid, ...fields });
    return [intrinsic, floor];
  };
  expect(cost({})).toEqual([21_000n, 21_000n]);
  expect(cost({ data: Uint8Array.of(0, 1) })).toEqual([21_020n, 21_050n]);
  expect(cost({ to: undefined, data: new Uint8Array(33) })).toEqual([
    21_000n + 32_000n + 4n + 33n * 4n,
    21_000n + 330n,
  ]);
  const entry = { address: FROM, storageKeys: [new Uint8Array(32), new Uint8Array(32)] };
  expect(cost({ accessList: [entry] })).toEqual([21_000n + 2_400n + 3_800n, 21_000n]);
  const authorization = { chainId: 0n, address: FROM, nonce: 0n, yParity: 0n, r: 1n, s: 1n };
  expect(cost({ authorizationList: [authorization, authorization] })).toEqual([71_000n, 21_000n]);
  expect(minimumGas({ ...valid, ...full })).toBe(61_000n);
  expect(minimumGas({ ...valid, ...creation(2) })).toBe(53_010n);
});
