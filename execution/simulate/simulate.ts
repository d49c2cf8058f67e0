/**
 * Blocks of calls, one after the other, on a state that nobody keeps (eth_simulateV1). They are made as the executor
 * makes blocks, but of calls that nobody signed; without deposits, L1 fees and changes of the validator set.
 */
import { MESSAGE_PASSER_ADDRESS, ZERO_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, EMPTY_BYTES, ZERO_32 } from "../../core/bytes.ts";
import type { ExecutedBlock, Header, Receipt, Transaction } from "../../core/chain.ts";
import { nextBaseFee } from "../block/base-fee.ts";
import { logsBloom, unionOfBlooms } from "../block/bloom.ts";
import type { ParentBlock } from "../block/execute.ts";
import { hashHeader, protocolFields } from "../block/header.ts";
import { orderedRoot } from "../block/ordered-root.ts";
import { encodeReceipt } from "../block/receipt-codec.ts";
import { writeSystemState } from "../block/system-writes.ts";
import type { BlockHashSource } from "../evm/host.ts";
import type { ChainRules } from "../rules.ts";
import type { SealedState, StateDatabase } from "../state/types.ts";
import { type CallRequest, prepareCall } from "../tx/call.ts";
import { createdAddress } from "../tx/derive.ts";
import { type HeaderContext, type MessageEnvironment, messageEnvironment } from "../tx/environment.ts";
import type { Machine } from "../tx/machine.ts";
import { applyMessage } from "../tx/message.ts";
import { overrideState } from "../tx/overrides.ts";
import { unsignedTransaction } from "../tx/unsigned.ts";
import { type PlacedInput, sequence } from "./sequence.ts";
import type { TransferLogs } from "./transfer-logs.ts";
import type { SimulatedBlock, SimulatedCall, Simulation, SimulationFailure, SimulationRequest } from "./types.ts";

export interface SimulationParts {
  readonly rules: ChainRules;
  readonly database: Pick<StateDatabase, "seal">;
  /** Of blocks up to the one that the simulation stands on. */
  readonly blockHash: BlockHashSource;
  /** Of no more use when the simulation rejects. */
  readonly machine: Machine;
  /** What the machine's tracer tells; present where transfers are logged. */
  readonly transfers?: TransferLogs;
}

/** No transaction costs less. */
const MIN_TRANSACTION_GAS = 21_000n;

/** What a call cannot do ends it all; a call that fails does not. Thrown inside, never outside. */
class Refusal extends Error {
  readonly failure: SimulationFailure;
  constructor(failure: SimulationFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** `state`: after `base`. Rejects with what the machine's pause throws, and on a damaged store. */
export async function simulate(
  parts: SimulationParts,
  request: SimulationRequest,
  base: ParentBlock,
  state: Pick<SealedState, "fork">,
): Promise<Simulation> {
  const inputs = sequence(base.header, request.blocks, request.maxBlocks);
  if (!inputs.ok) return inputs;
  const { evm } = parts.machine;
  const hashes = new Map<bigint, Uint8Array>();
  evm.blockHash = (number) => hashes.get(number) ?? parts.blockHash(number);
  const blocks: SimulatedBlock[] = [];
  let parent = base;
  let below = state;
  let gasLeft = request.gasBudget;
  try {
    for (const input of inputs.blocks) {
      await evm.pause();
      const open = new SimulatedOpenBlock(parts, request, input, parent, below);
      for (const call of input.calls) gasLeft -= await open.apply(call, gasLeft);
      const { sealed, ...made } = open.seal();
      hashes.set(input.number, made.block.hash);
      blocks.push(made);
      parent = made.block;
      below = sealed;
    }
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, failure: error.failure };
    throw error;
  }
  return { ok: true, blocks };
}

class SimulatedOpenBlock {
  readonly #parts: SimulationParts;
  readonly #request: SimulationRequest;
  readonly #header: Omit<
    Header,
    "gasUsed" | "stateRoot" | "withdrawalsRoot" | "transactionsRoot" | "receiptsRoot" | "logsBloom"
  > &
    HeaderContext;
  readonly #environment: MessageEnvironment;
  readonly #transactions: Transaction[] = [];
  readonly #receipts: Receipt[] = [];
  readonly #calls: SimulatedCall[] = [];
  #gasUsed = 0n;

  constructor(
    parts: SimulationParts,
    request: SimulationRequest,
    { block = {}, state, number, timestamp }: PlacedInput,
    parent: ParentBlock,
    below: Pick<SealedState, "fork">,
  ) {
    this.#parts = parts;
    this.#request = request;
    const layer = below.fork();
    parts.machine.stateManager.setLayer(layer);
    this.#header = {
      ...protocolFields,
      extraData: EMPTY_BYTES,
      prevRandao: ZERO_32,
      parentBeaconBlockRoot: ZERO_32,
      coinbase: parent.header.coinbase,
      gasLimit: parent.header.gasLimit,
      // Calls are free in a block that is not validated, so that nobody has to be given wei first.
      baseFeePerGas: request.isValidating ? nextBaseFee(parent.header, parts.rules) : 0n,
      ...block,
      parentHash: parent.hash,
      number,
      timestamp,
    };
    this.#environment = messageEnvironment(this.#header, parts.rules);
    overrideState(layer, state);
    writeSystemState(layer, this.#header);
  }

  /** Returns the gas that it used. Throws Refusal. */
  async apply(call: CallRequest, gasLeft: bigint): Promise<bigint> {
    const { machine, transfers, rules } = this.#parts;
    const { layer } = machine.stateManager;
    const { isValidating } = this.#request;
    const gas = this.#gasFor(call, gasLeft);
    const { from = ZERO_ADDRESS } = call;
    const stateNonce = layer.account(from)?.nonce ?? 0n;
    const { nonce = stateNonce } = call;
    if (isValidating && nonce !== stateNonce) throw new Refusal(wrongNonce(from, nonce, stateNonce));
    const prepared = prepareCall(layer, { ...call, gas }, this.#header, isValidating);
    if (!prepared.ok) throw new Refusal(prepared);
    const { message, required } = prepared;
    const result = await applyMessage(machine, message, required, this.#environment);
    const { gasUsed, gasSpent, output, failure, logs } = result;
    this.#gasUsed += gasUsed;
    const tx = unsignedTransaction(call, message.gasLimit, nonce, rules.chainId);
    this.#transactions.push(tx);
    this.#receipts.push({
      type: tx.type,
      status: failure === undefined ? 1 : 0,
      gasUsed,
      cumulativeGasUsed: this.#gasUsed,
      effectiveGasPrice: message.gasPrice,
      contractAddress: message.to === undefined ? createdAddress(from, stateNonce) : undefined,
      logsBloom: logsBloom(logs),
      logs,
    });
    this.#calls.push({ output, gasUsed, gasSpent, failure, logs: transfers?.take() ?? logs });
    return gasUsed;
  }

  #gasFor({ gas }: CallRequest, gasLeft: bigint): bigint {
    const { gasLimit } = this.#header;
    const room = gasLimit - this.#gasUsed;
    if (gas !== undefined && gas > room) {
      const message = `block gas limit reached: ${this.#gasUsed} >= ${gasLimit}`;
      throw new Refusal({ code: "gas-limit-reached", message });
    }
    const wanted = gas ?? room;
    if (gasLeft < MIN_TRANSACTION_GAS && wanted >= MIN_TRANSACTION_GAS) {
      const message = `the calls use more than ${this.#request.gasBudget} gas: ask for fewer at a time`;
      throw new Refusal({ code: "gas-budget", message });
    }
    return wanted < gasLeft ? wanted : gasLeft;
  }

  seal(): SimulatedBlock & { readonly sealed: SealedState } {
    const { database, machine } = this.#parts;
    const sealed = database.seal(machine.stateManager.layer);
    const { blobBaseFee: _, ...fields } = this.#header;
    const header: Header = {
      ...fields,
      gasUsed: this.#gasUsed,
      stateRoot: sealed.stateRoot,
      withdrawalsRoot: sealed.storageRoot(MESSAGE_PASSER_ADDRESS),
      transactionsRoot: orderedRoot(this.#transactions.map((tx) => tx.raw)),
      receiptsRoot: orderedRoot(this.#receipts.map(encodeReceipt)),
      logsBloom: unionOfBlooms(this.#receipts.map((receipt) => receipt.logsBloom)),
    };
    const transactions = this.#transactions;
    const block: ExecutedBlock = { hash: hashHeader(header), header, transactions, receipts: this.#receipts };
    return { block, calls: this.#calls, sealed };
  }
}

function wrongNonce(from: Uint8Array, nonce: bigint, stateNonce: bigint): SimulationFailure {
  const isLow = nonce < stateNonce;
  const detail = `address ${bytesToHex(from)}, tx: ${nonce} state: ${stateNonce}`;
  return {
    code: isLow ? "nonce-too-low" : "nonce-too-high",
    message: `nonce too ${isLow ? "low" : "high"}: ${detail}`,
  };
}
