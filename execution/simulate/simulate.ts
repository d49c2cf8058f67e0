/**
 * Blocks of calls, one after the other, on a state that nobody keeps (eth_simulateV1). They are made as the chain's
 * blocks are, but of calls that nobody signed.
 */
import { ZERO_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import type { ExecutedBlock, Header, Receipt, Transaction } from "../../core/chain.ts";
import { logsBloom, unionOfBlooms } from "../block/bloom.ts";
import type { ParentBlock } from "../block/execute.ts";
import { hashHeader } from "../block/header.ts";
import { orderedRoot } from "../block/ordered-root.ts";
import { encodeReceipt } from "../block/receipt-codec.ts";
import type { BlockHashSource } from "../evm/host.ts";
import type { ChainRules } from "../rules.ts";
import { copyLayer, type OverlayLayer } from "../state/layer.ts";
import type { SealedState, StateDatabase } from "../state/types.ts";
import { type CallRequest, prepareCall } from "../tx/call.ts";
import { createdAddress } from "../tx/derive.ts";
import { type MessageEnvironment, messageEnvironment } from "../tx/environment.ts";
import { GAS_PER_BLOB } from "../tx/intrinsic.ts";
import type { Machine } from "../tx/machine.ts";
import { applyMessage, type Message } from "../tx/message.ts";
import { overrideState, relocate } from "../tx/overrides.ts";
import { unsignedTransaction } from "../tx/unsigned.ts";
import type { BlockForm, BlockForms } from "./forms.ts";
import { type PlacedInput, sequence } from "./sequence.ts";
import type { TransferLogs } from "./transfer-logs.ts";
import type { SimulatedBlock, SimulatedCall, Simulation, SimulationFailure, SimulationRequest } from "./types.ts";

export interface SimulationParts {
  readonly forms: BlockForms;
  readonly database: Pick<StateDatabase, "seal">;
  /** Of blocks up to the one that the simulation stands on. */
  readonly blockHash: BlockHashSource;
  /** One for the same rules. They are of no more use when the simulation rejects. */
  readonly machineOf: (rules: ChainRules) => Machine;
  /** What the machines' tracer tells; present where transfers are logged. */
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
  const { forms } = parts;
  const inputs = sequence(base.header, request.blocks, request.maxBlocks, forms.blockSeconds);
  if (!inputs.ok) return inputs;
  const hashes = new Map<bigint, Uint8Array>();
  const blockHash: BlockHashSource = (number) => hashes.get(number) ?? parts.blockHash(number);
  const blocks: SimulatedBlock[] = [];
  let parent = base;
  let below = state;
  let gasLeft = request.gasBudget;
  try {
    for (const input of inputs.blocks) {
      const form = forms.next(parent, input, request.isValidating);
      if (typeof form === "string") throw new Refusal({ code: "override", message: form });
      const machine = parts.machineOf(form.rules);
      machine.evm.blockHash = blockHash;
      await machine.evm.pause();
      const open = new SimulatedOpenBlock(parts, request, machine, form, below);
      open.begin(input);
      for (const call of input.calls) gasLeft -= await open.apply(call, gasLeft);
      const { sealed, ...made } = await open.seal();
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
  readonly #machine: Machine;
  readonly #form: BlockForm;
  readonly #below: Pick<SealedState, "fork">;
  readonly #environment: MessageEnvironment;
  readonly #transactions: Transaction[] = [];
  readonly #receipts: Receipt[] = [];
  readonly #calls: SimulatedCall[] = [];
  #gasUsed = 0n;
  #blobs = 0;

  constructor(
    parts: SimulationParts,
    request: SimulationRequest,
    machine: Machine,
    form: BlockForm,
    below: Pick<SealedState, "fork">,
  ) {
    this.#parts = parts;
    this.#request = request;
    this.#machine = machine;
    this.#form = form;
    this.#below = below;
    this.#environment = messageEnvironment(form.header, form.rules);
    machine.stateManager.setLayer(below.fork());
  }

  /** Throws Refusal. */
  begin({ state }: PlacedInput): void {
    const { evm, stateManager } = this.#machine;
    const refusal = relocate(evm, state);
    if (refusal !== undefined) throw new Refusal({ code: "override", message: refusal });
    overrideState(stateManager.layer, state);
    this.#form.begin(stateManager.layer);
  }

  /** Returns the gas that it used. Throws Refusal. */
  async apply(call: CallRequest, gasLeft: bigint): Promise<bigint> {
    const { transfers } = this.#parts;
    const { rules, header } = this.#form;
    const { layer } = this.#machine.stateManager;
    const { isValidating } = this.#request;
    const gas = this.#gasFor(call, gasLeft);
    const { from = ZERO_ADDRESS } = call;
    const stateNonce = layer.account(from)?.nonce ?? 0n;
    const { nonce = stateNonce } = call;
    if (isValidating) checkNonce(from, nonce, stateNonce);
    const prepared = prepareCall(layer, { ...call, gas }, header, rules, isValidating);
    if (!prepared.ok) throw new Refusal(prepared);
    const { message, required } = prepared;
    this.#checkBlobs(message);
    const result = await applyMessage(this.#machine, message, required, this.#environment);
    const { gasUsed, gasSpent, output, failure, logs } = result;
    this.#gasUsed += gasUsed;
    this.#blobs += message.paidBlobs?.versionedHashes.length ?? 0;
    const tx = unsignedTransaction(call, message.gasLimit, nonce, rules);
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
      ...(!this.#environment.messages.hasStatus && { postState: this.#stateRoot() }),
    });
    this.#calls.push({ output, gasUsed, gasSpent, failure, logs: transfers?.take() ?? logs });
    return gasUsed;
  }

  /** After the calls so far. */
  #stateRoot(): Uint8Array {
    const layer = this.#machine.stateManager.layer as OverlayLayer;
    const copy = copyLayer(layer, this.#below.fork() as OverlayLayer);
    return this.#parts.database.seal(copy).stateRoot;
  }

  /** Where blocks have blobs, what they cost in later ones grows with e to their number. Throws Refusal. */
  #checkBlobs({ paidBlobs }: Message): void {
    const { foreign } = this.#form;
    if (paidBlobs === undefined || foreign === undefined) return;
    const gas = BigInt(this.#blobs + paidBlobs.versionedHashes.length) * GAS_PER_BLOB;
    if (gas > foreign.maxBlobGas) {
      const message = `block blob gas limit reached: ${gas} > ${foreign.maxBlobGas}`;
      throw new Refusal({ code: "gas-limit-reached", message });
    }
  }

  #gasFor({ gas }: CallRequest, gasLeft: bigint): bigint {
    const { gasLimit } = this.#form.header;
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

  /** Throws Refusal. */
  async seal(): Promise<SimulatedBlock & { readonly sealed: SealedState }> {
    const form = this.#form;
    const refusal = await form.end(this.#machine, this.#receipts);
    if (refusal !== undefined) throw new Refusal({ code: "override", message: refusal });
    const sealed = this.#parts.database.seal(this.#machine.stateManager.layer);
    const { blobBaseFee: _, ...fields } = form.header;
    const header: Header = {
      ...fields,
      ...form.lateFields(sealed),
      gasUsed: this.#gasUsed,
      blobGasUsed: BigInt(this.#blobs) * GAS_PER_BLOB,
      stateRoot: sealed.stateRoot,
      transactionsRoot: orderedRoot(this.#transactions.map((tx) => tx.raw)),
      receiptsRoot: orderedRoot(this.#receipts.map(encodeReceipt)),
      logsBloom: unionOfBlooms(this.#receipts.map((receipt) => receipt.logsBloom)),
    };
    const block: ExecutedBlock = {
      hash: hashHeader(header),
      header,
      transactions: this.#transactions,
      receipts: this.#receipts,
      ...(form.foreign && { foreign: form.foreign }),
    };
    return { block, calls: this.#calls, sealed };
  }
}

/** EIP-2681. */
const MAX_NONCE = 2n ** 64n - 1n;

/** Throws Refusal. */
function checkNonce(from: Uint8Array, nonce: bigint, stateNonce: bigint): void {
  const who = `address ${bytesToHex(from)}`;
  if (nonce !== stateNonce) {
    const isLow = nonce < stateNonce;
    throw new Refusal({
      code: isLow ? "nonce-too-low" : "nonce-too-high",
      message: `nonce too ${isLow ? "low" : "high"}: ${who}, tx: ${nonce} state: ${stateNonce}`,
    });
  }
  if (nonce === MAX_NONCE) {
    throw new Refusal({ code: "nonce-max", message: `nonce has max value: ${who}, nonce: ${nonce}` });
  }
}
