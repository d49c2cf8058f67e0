/** State and block overrides of calls, by geth's names. An unknown name is refused: it would change nothing. */
import { bytesToBigInt, bytesToHex, equalsBytes } from "../../core/bytes.ts";
import type { AccountOverride, BlockOverrides, StateOverrides, StorageOverride } from "../../execution/tx/overrides.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { present } from "./call-request.ts";
import {
  address,
  type Decoder,
  data,
  field,
  hash,
  InvalidValue,
  isObject,
  object,
  show,
  uint64,
  uint256,
} from "./values.ts";

/** Ethereum's own are 0x01 to 0x11 and 0x0100. */
const isPrecompile = (account: Uint8Array): boolean => {
  const number = bytesToBigInt(account);
  const isEthereums = (number > 0n && number <= 0x11n) || number === 0x100n;
  return isEthereums || PRECOMPILES.some((precompile) => equalsBytes(precompile.address, account));
};

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
  if (field(fields, "movePrecompileToAddress", address) !== undefined) {
    throw new InvalidValue(
      `account ${name}: precompiles cannot be moved on this node; leave movePrecompileToAddress out`,
    );
  }
  const code = field(fields, "code", data);
  if (code !== undefined && isPrecompile(account)) {
    throw new InvalidValue(`account ${name} is a precompile, whose code cannot be overridden`);
  }
  const state = field(fields, "state", storage);
  const stateDiff = field(fields, "stateDiff", storage);
  if (state !== undefined && stateDiff !== undefined) {
    throw new InvalidValue(`account ${name} has both 'state' and 'stateDiff'`);
  }
  const nonce = field(fields, "nonce", uint64);
  const balance = field(fields, "balance", uint256);
  return { address: account, ...present({ nonce, balance, code, state, stateDiff }) };
}

const storage: Decoder<StorageOverride> = (value) =>
  Object.entries(object(value)).map(([slot, word]) => ({ slot: hash(slot), value: hash(word) }));

/** `difficulty` changes nothing, as after the merge; what is not of a call's environment is refused. */
export const blockOverrides: Decoder<BlockOverrides> = (value) => {
  const fields = known(value, BLOCK_FIELDS);
  for (const name of ["beaconRoot", "withdrawals"]) {
    if (fields[name] !== undefined && fields[name] !== null) {
      throw new InvalidValue(`block override "${name}" is not supported for this RPC method`);
    }
  }
  field(fields, "difficulty", uint256);
  return present({
    number: field(fields, "number", uint64),
    timestamp: field(fields, "time", uint64),
    gasLimit: field(fields, "gasLimit", uint64),
    coinbase: field(fields, "feeRecipient", address),
    prevRandao: field(fields, "prevRandao", hash),
    baseFeePerGas: field(fields, "baseFeePerGas", uint256),
    blobBaseFee: field(fields, "blobBaseFee", uint256),
  });
};

function known(value: unknown, names: ReadonlySet<string>): Record<string, unknown> {
  if (!isObject(value)) throw new InvalidValue(`want an object, have ${show(value)}`);
  const unknown = Object.keys(value).find((name) => !names.has(name));
  if (unknown !== undefined) throw new InvalidValue(`unknown override ${show(unknown)}: know ${[...names].join(", ")}`);
  return value;
}
