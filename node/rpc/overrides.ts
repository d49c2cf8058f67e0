/** State and block overrides of calls, by geth's names. An unknown name is refused: it would change nothing. */
import { bytesToHex } from "../../core/bytes.ts";
import type { Withdrawal } from "../../core/chain.ts";
import type { AccountOverride, BlockOverrides, StateOverrides, StorageOverride } from "../../execution/tx/overrides.ts";
import { present } from "./call-request.ts";
import {
  address,
  type Decoder,
  data,
  field,
  hash,
  InvalidValue,
  isObject,
  list,
  object,
  partsOf,
  show,
  uint64,
  uint256,
} from "./values.ts";

const ACCOUNT_FIELDS = new Set(["nonce", "balance", "code", "state", "stateDiff", "movePrecompileToAddress"]);
const BLOCK_FIELDS = new Set([
  "number",
  "difficulty",
  "time",
  "gasLimit",
  "feeRecipient",
  "prevRandao",
  "baseFeePerGas",
  "blobBaseFee",
  "beaconRoot",
  "withdrawals",
]);

/** Account by account, in the order given. */
export const stateOverrides: Decoder<StateOverrides> = (value) => {
  const seen = new Set<string>();
  return Object.entries(object(value)).map(([name, override]) => {
    const account = address(name);
    const key = bytesToHex(account);
    if (seen.has(key)) throw new InvalidValue(`account ${key} is overridden twice`);
    seen.add(key);
    return accountOverride(account, override);
  });
};

function accountOverride(account: Uint8Array, value: unknown): AccountOverride {
  const fields = known(value, ACCOUNT_FIELDS);
  const name = bytesToHex(account);
  const movePrecompileTo = field(fields, "movePrecompileToAddress", address);
  const code = field(fields, "code", data);
  const state = field(fields, "state", storage);
  const stateDiff = field(fields, "stateDiff", storage);
  if (state !== undefined && stateDiff !== undefined) {
    throw new InvalidValue(`account ${name} has both 'state' and 'stateDiff'`);
  }
  const nonce = field(fields, "nonce", uint64);
  const balance = field(fields, "balance", uint256);
  return { address: account, ...present({ nonce, balance, code, state, stateDiff, movePrecompileTo }) };
}

const storage: Decoder<StorageOverride> = (value) =>
  Object.entries(object(value)).map(([slot, word]) => ({ slot: hash(slot), value: hash(word) }));

/** `difficulty` changes nothing after the merge; what is not of a call's environment is refused. */
export const blockOverrides: Decoder<BlockOverrides> = (value) => {
  const fields = object(value);
  for (const name of ["beaconRoot", "withdrawals"]) {
    if (fields[name] !== undefined && fields[name] !== null) {
      throw new InvalidValue(`block override "${name}" is not supported for this RPC method`);
    }
  }
  return environmentOf(value);
};

/** No slot has more (EIP-4895). */
const MAX_WITHDRAWALS = 1_000;

const withdrawal: Decoder<Withdrawal> = (value) => {
  const part = partsOf(object(value), "withdrawal");
  return {
    index: part("index", uint64),
    validatorIndex: part("validatorIndex", uint64),
    address: part("address", address),
    amountGwei: part("amount", uint64),
  };
};

/** Those of a simulated block: also of what the protocol does in it. */
export const simulatedBlockOverrides: Decoder<{
  readonly block: BlockOverrides;
  readonly beaconRoot?: Uint8Array;
  readonly withdrawals?: readonly Withdrawal[];
}> = (value) => {
  const fields = object(value);
  const beaconRoot = field(fields, "beaconRoot", hash);
  const withdrawals = field(fields, "withdrawals", list(withdrawal, MAX_WITHDRAWALS, "withdrawals"));
  return { block: environmentOf(value), ...present({ beaconRoot, withdrawals }) };
};

function environmentOf(value: unknown): BlockOverrides {
  const fields = known(value, BLOCK_FIELDS);
  return present({
    difficulty: field(fields, "difficulty", uint256),
    number: field(fields, "number", uint64),
    timestamp: field(fields, "time", uint64),
    gasLimit: field(fields, "gasLimit", uint64),
    coinbase: field(fields, "feeRecipient", address),
    prevRandao: field(fields, "prevRandao", hash),
    baseFeePerGas: field(fields, "baseFeePerGas", uint256),
    blobBaseFee: field(fields, "blobBaseFee", uint256),
  });
}

function known(value: unknown, names: ReadonlySet<string>): Record<string, unknown> {
  if (!isObject(value)) throw new InvalidValue(`want an object, have ${show(value)}`);
  const unknown = Object.keys(value).find((name) => !names.has(name));
  if (unknown !== undefined) throw new InvalidValue(`unknown override ${show(unknown)}: know ${[...names].join(", ")}`);
  return value;
}
