/** The transaction object of eth_call and eth_estimateGas. */
import { EMPTY_BYTES, equalsBytes } from "../../core/bytes.ts";
import type { AccessListEntry, Authorization } from "../../core/chain.ts";
import type { CallRequest } from "../../execution/tx/call.ts";
import {
  address,
  type Decoder,
  data,
  field,
  hash,
  InvalidValue,
  list,
  object,
  partsOf,
  quantity,
  uint64,
  uint256,
} from "./values.ts";

/** More cannot be paid for within the gas of a call. */
const MAX_LIST_ITEMS = 10_000;
/** More fit into no block of any chain. */
const MAX_BLOBS = 1_024;

const accessListEntry: Decoder<AccessListEntry> = (value) => {
  const entry = object(value);
  const account = field(entry, "address", address);
  if (account === undefined) throw new InvalidValue("access list entry without address");
  return {
    address: account,
    storageKeys: field(entry, "storageKeys", list(hash, MAX_LIST_ITEMS, "storage keys")) ?? [],
  };
};

const authorization: Decoder<Authorization> = (value) => {
  const part = partsOf(object(value), "authorization");
  return {
    chainId: part("chainId", uint256),
    address: part("address", address),
    nonce: part("nonce", uint64),
    yParity: part("yParity", quantity(8)),
    r: part("r", uint256),
    s: part("s", uint256),
  };
};

/** Unknown fields are ignored, as wallets send more than is needed. */
export const callRequest: Decoder<CallRequest & { readonly chainId?: bigint }> = (value) => {
  const request = object(value);
  const input = field(request, "input", data);
  const dataField = field(request, "data", data);
  if (input !== undefined && dataField !== undefined && !equalsBytes(input, dataField)) {
    throw new InvalidValue(
      'both "data" and "input" are set and not equal. Please use "input" to pass transaction call data',
    );
  }
  const gasPrice = field(request, "gasPrice", uint256);
  const maxFeePerGas = field(request, "maxFeePerGas", uint256);
  const maxPriorityFeePerGas = field(request, "maxPriorityFeePerGas", uint256);
  if (gasPrice !== undefined && (maxFeePerGas !== undefined || maxPriorityFeePerGas !== undefined)) {
    throw new InvalidValue("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
  }
  if (maxFeePerGas !== undefined && maxPriorityFeePerGas !== undefined && maxFeePerGas < maxPriorityFeePerGas) {
    throw new InvalidValue(`maxFeePerGas (${maxFeePerGas}) < maxPriorityFeePerGas (${maxPriorityFeePerGas})`);
  }
  return present({
    from: field(request, "from", address),
    to: field(request, "to", address),
    gas: field(request, "gas", uint64),
    gasPrice,
    maxFeePerGas,
    maxPriorityFeePerGas,
    value: field(request, "value", uint256),
    data: input ?? dataField ?? EMPTY_BYTES,
    nonce: field(request, "nonce", uint64),
    accessList: field(request, "accessList", list(accessListEntry, MAX_LIST_ITEMS, "access list entries")),
    authorizationList: field(request, "authorizationList", list(authorization, MAX_LIST_ITEMS, "authorizations")),
    blobVersionedHashes: field(request, "blobVersionedHashes", list(hash, MAX_BLOBS, "blobs")),
    maxFeePerBlobGas: field(request, "maxFeePerBlobGas", uint256),
    chainId: field(request, "chainId", uint256),
  });
};

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are undefined. */
export function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}
