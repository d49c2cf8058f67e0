/** Accounts, storage, proofs, and messages that are run without being kept. */
import { bytesToBigInt, bytesToHex, padTo32 } from "../../../core/bytes.ts";
import { KECCAK_EMPTY, keccak256 } from "../../../core/crypto.ts";
import type { CallRequest } from "../../../execution/tx/call.ts";
import type { CallOverrides } from "../../../execution/tx/overrides.ts";
import type { BlockSelector } from "../../chain-api.ts";
import type { Environment } from "../../runner/types.ts";
import { callRequest, present } from "../call-request.ts";
import { type Methods, method, type RpcContext } from "../context.ts";
import { invalidParams, serverError } from "../errors.ts";
import { formatAccessList, toQuantity } from "../format.ts";
import { blockOverrides, stateOverrides } from "../overrides.ts";
import { callError } from "../revert.ts";
import { blockAt, blockSelector, isPending, LATEST, PENDING, prunedState, stateAt } from "../selectors.ts";
import { address, type Decoder, InvalidValue, object, optional, required, show } from "../values.ts";

const EMPTY_TRIE_ROOT = keccak256(Uint8Array.of(0x80));

interface StorageKey {
  readonly slot: Uint8Array;
  /** As it is repeated in a proof: whole when it was given whole, else as a quantity. */
  readonly name: string;
}

/** Hex of at most 32 bytes; short and odd ones are padded on the left, as geth takes them. */
const storageKey: Decoder<StorageKey> = (value) => {
  if (typeof value !== "string" || !/^(0x)?[0-9a-fA-F]{0,64}$/.test(value)) {
    throw new InvalidValue(`want a storage key of at most 32 bytes in hex, have ${show(value)}`);
  }
  const digits = value.replace(/^0x/, "").padStart(64, "0");
  const slot = Uint8Array.from(Buffer.from(digits, "hex"));
  return { slot, name: value.length === 66 ? bytesToHex(slot) : toQuantity(bytesToBigInt(slot)) };
};

const account = [required(address), optional(blockSelector, LATEST)] as const;
const messageAt = (selector: BlockSelector) =>
  [
    required(callRequest),
    optional(blockSelector, selector),
    optional(stateOverrides, undefined),
    optional(blockOverrides, undefined),
  ] as const;

/** `request` for this chain, with its gas under the cap. */
export function prepared(
  { chain, limits }: RpcContext,
  request: CallRequest & { readonly chainId?: bigint },
): CallRequest {
  const { chainId, ...rest } = request;
  if (chainId !== undefined && chainId !== chain.chainId) {
    throw invalidParams(`chainId does not match node's (have=${chainId}, want=${chain.chainId})`);
  }
  const { gas } = rest;
  return { ...rest, gas: gas === undefined || gas > limits.callGas ? limits.callGas : gas };
}

/**
 * The block whose environment and state a message runs in. "pending" is the next block, as the sender of a transaction
 * will meet it; that is also what an estimate without a block means.
 */
export function environmentAt({ chain, now }: RpcContext, selector: BlockSelector): Environment {
  const block = isPending(selector) ? chain.next(BigInt(Math.floor(now() / 1000))) : stateAt(chain, selector).block;
  const { header, foreign } = block;
  return foreign === undefined ? header : { ...header, blobBaseFee: foreign.blobBaseFee };
}

/** Throws RpcError with the reason why the message fails with any gas. */
export async function estimate(
  context: RpcContext,
  request: CallRequest,
  environment: Environment,
  overrides: CallOverrides = {},
): Promise<bigint> {
  const { runner, limits } = context;
  const bounds = { gas: limits.callGas, withinMs: limits.requestTimeoutMs };
  const estimate = await runner.estimateGas(request, environment, overrides, bounds);
  if (estimate.ok) return estimate.gas;
  throw "reason" in estimate ? callError(estimate) : serverError(estimate.message);
}

const nonceAt = ({ chain }: RpcContext, of: Uint8Array, at: BlockSelector): bigint =>
  stateAt(chain, at).state.account(of)?.nonce ?? 0n;

/** The nonce of the next transaction that the account sends. */
export async function pendingNonce(context: RpcContext, of: Uint8Array): Promise<bigint> {
  const pending = (await context.pool.pendingNonce(of)) ?? 0n;
  const nonce = nonceAt(context, of, LATEST);
  return pending > nonce ? pending : nonce;
}

export const ethState: Methods = {
  eth_getBalance: method(account, ({ chain }, [of, at]) =>
    toQuantity(stateAt(chain, at).state.account(of)?.balance ?? 0n),
  ),
  eth_getTransactionCount: method(account, async (context, [of, at]) =>
    toQuantity(isPending(at) ? await pendingNonce(context, of) : nonceAt(context, of, at)),
  ),
  eth_getCode: method(account, ({ chain }, [of, at]) => {
    const { state } = stateAt(chain, at);
    const found = state.account(of);
    return found === undefined ? "0x" : bytesToHex(state.code(found.codeHash));
  }),
  eth_getStorageAt: method(
    [required(address), required(storageKey), optional(blockSelector, LATEST)],
    ({ chain }, [of, key, at]) => bytesToHex(padTo32(stateAt(chain, at).state.storage(of, key.slot))),
  ),
  eth_getStorageValues: method(
    [required(slotsByAccount), optional(blockSelector, LATEST)],
    ({ chain, limits }, [wanted, at]) => {
      const count = wanted.reduce((sum, { keys }) => sum + keys.length, 0);
      if (count === 0) throw invalidParams("empty request");
      if (count > limits.proofSlots) throw invalidParams(`too many slots: ${count}, limit ${limits.proofSlots}`);
      const { state } = stateAt(chain, at);
      const valuesOf = ({ of, keys }: SlotsOfAccount) =>
        keys.map(({ slot }) => bytesToHex(padTo32(state.storage(of, slot))));
      return Object.fromEntries(wanted.map((one) => [bytesToHex(one.of), valuesOf(one)]));
    },
  ),
  eth_getProof: method(
    [required(address), required(storageKeys), optional(blockSelector, LATEST)],
    async ({ chain, limits, runner }, [of, keys, at]) => {
      if (keys.length > limits.proofSlots) {
        throw invalidParams(`too many storage keys: ${keys.length}, limit ${limits.proofSlots}`);
      }
      // A state that was pruned still proves the message passer.
      const block = blockAt(chain, at);
      const slots = keys.map((key) => key.slot);
      const proof = await runner.prove(block.header.stateRoot, of, slots);
      if (proof === undefined) throw prunedState(block);
      return {
        address: bytesToHex(of),
        accountProof: proof.accountProof.map((node) => bytesToHex(node)),
        balance: toQuantity(proof.account?.balance ?? 0n),
        codeHash: bytesToHex(proof.account?.codeHash ?? KECCAK_EMPTY),
        nonce: toQuantity(proof.account?.nonce ?? 0n),
        storageHash: bytesToHex(proof.account?.storageRoot ?? EMPTY_TRIE_ROOT),
        storageProof: proof.storageProofs.map((one, i) => ({
          key: keys[i]!.name,
          value: toQuantity(bytesToBigInt(one.value)),
          proof: one.proof.map((node) => bytesToHex(node)),
        })),
      };
    },
  ),
  eth_call: method(messageAt(LATEST), async (context, [request, at, state, block]) => {
    const environment = environmentAt(context, at);
    const result = await context.runner.call(prepared(context, request), environment, present({ state, block }));
    if (!result.ok) throw callError(result);
    return bytesToHex(result.output);
  }),
  eth_estimateGas: method(messageAt(PENDING), async (context, [request, at, state, block]) => {
    const overrides = present({ state, block });
    return toQuantity(await estimate(context, prepared(context, request), environmentAt(context, at), overrides));
  }),
  eth_createAccessList: method(messageAt(LATEST), async (context, [request, at, state, block]) => {
    const environment = environmentAt(context, at);
    const found = await context.runner.accessList(prepared(context, request), environment, present({ state, block }));
    if (!found.ok) throw serverError(found.message);
    const { accessList, gasUsed, failure } = found;
    const list = formatAccessList(accessList);
    return { accessList: list, ...(failure !== undefined && { error: failure }), gasUsed: toQuantity(gasUsed) };
  }),
};

interface SlotsOfAccount {
  readonly of: Uint8Array;
  readonly keys: readonly StorageKey[];
}

/** `{account: [slot..]..}` */
function slotsByAccount(value: unknown): SlotsOfAccount[] {
  return Object.entries(object(value)).map(([name, keys]) => ({ of: address(name), keys: storageKeys(keys) }));
}

function storageKeys(value: unknown): StorageKey[] {
  if (!Array.isArray(value)) throw new InvalidValue(`want an array of storage keys, have ${show(value)}`);
  return value.map(storageKey);
}
