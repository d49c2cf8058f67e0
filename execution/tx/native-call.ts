/**
 * A message straight to a stateful precompile, as most transactions of this chain are: one frame at depth 0, without
 * the EVM around it. Gas, logs, refund, output and state are those of `evm.runCall`, which native-call.test.ts compares.
 */
import type { ExecResult } from "@ethereumjs/evm";
import type { Precompile } from "../../core/precompile.ts";
import { PrecompileFrame, type WarmSets } from "../evm/frame.ts";
import { runFrame } from "../evm/host.ts";
import { bytesKey } from "../state/keys.ts";
import type { StateLayer } from "../state/types.ts";
import type { MessageEnvironment } from "./environment.ts";
import type { Machine } from "./machine.ts";
import type { Message } from "./message.ts";

const MAX_UINT256 = 2n ** 256n - 1n;

/** `gasLimit`: what the frame may use. Undefined when the message is not of this simple kind; nothing has changed then. */
export function callNatively(
  machine: Machine,
  message: Message,
  gasLimit: bigint,
  environment: MessageEnvironment,
): ExecResult | undefined {
  if (message.to === undefined || message.authorizationList.length > 0) return undefined;
  if (machine.evm.journal.accessList !== undefined) return undefined; // the EVM's journal reports what is touched
  if (machine.evm.relocations !== undefined) return undefined;
  const precompile = machine.statefulPrecompiles.get(bytesKey(message.to));
  if (precompile === undefined) return undefined;
  const { layer } = machine.stateManager;
  layer.checkpoint();
  if (!moveValue(layer, message.from, precompile.address, message.value)) {
    layer.revert();
    return undefined;
  }
  const result = runPrecompile(machine, precompile, message, gasLimit, environment);
  if (result.exceptionError === undefined) layer.commit();
  else layer.revert();
  return result;
}

function runPrecompile(
  machine: Machine,
  precompile: Precompile,
  message: Message,
  gasLimit: bigint,
  environment: MessageEnvironment,
): ExecResult {
  const { header } = environment.block;
  const frame = new PrecompileFrame(
    {
      self: precompile.address,
      caller: message.from,
      value: message.value,
      isStatic: false,
      isTopLevel: true,
      chainId: environment.chainId,
      blockNumber: header.number,
      timestamp: header.timestamp,
    },
    gasLimit,
    machine.stateManager.layer,
    new WarmAccess(machine.alwaysWarm, message, environment.coinbase),
  );
  const counter = { gasRefund: 0n };
  const result = runFrame(precompile, frame, counter, message.data, gasLimit);
  return { ...result, gasRefund: counter.gasRefund };
}

/** False when the EVM has to say why not, or when the precompile's account would be deleted as empty (EIP-161). */
function moveValue(layer: StateLayer, from: Uint8Array, to: Uint8Array, value: bigint): boolean {
  const recipient = layer.account(to);
  if (recipient === undefined || recipient.nonce === 0n) return false;
  if (value === 0n) return true;
  const sender = layer.account(from);
  if (sender === undefined || sender.balance < value || recipient.balance + value > MAX_UINT256) return false;
  layer.setAccount(from, { ...sender, balance: sender.balance - value });
  layer.setAccount(to, { ...recipient, balance: recipient.balance + value });
  return true;
}

/** What is warm in one transaction: EIP-2929, EIP-2930, EIP-3651. */
class WarmAccess implements WarmSets {
  readonly #always: ReadonlySet<string>;
  readonly #addresses = new Set<string>();
  readonly #slots = new Map<string, Set<string>>();

  constructor(always: ReadonlySet<string>, message: Message, coinbase: Uint8Array) {
    this.#always = always;
    this.addWarmedAddress(message.from);
    if (message.to !== undefined) this.addWarmedAddress(message.to);
    this.addWarmedAddress(coinbase);
    for (const { address, storageKeys } of message.accessList) {
      this.addWarmedAddress(address);
      for (const key of storageKeys) this.addWarmedStorage(address, key);
    }
  }

  isWarmedAddress(address: Uint8Array): boolean {
    const key = bytesKey(address);
    return this.#addresses.has(key) || this.#always.has(key);
  }

  addWarmedAddress(address: Uint8Array): void {
    this.#addresses.add(bytesKey(address));
  }

  isWarmedStorage(address: Uint8Array, slot: Uint8Array): boolean {
    return this.#slots.get(bytesKey(address))?.has(bytesKey(slot)) ?? false;
  }

  addWarmedStorage(address: Uint8Array, slot: Uint8Array): void {
    const key = bytesKey(address);
    let slots = this.#slots.get(key);
    if (slots === undefined) {
      slots = new Set();
      this.#slots.set(key, slots);
      this.#addresses.add(key); // as ethereumjs's journal does
    }
    slots.add(bytesKey(slot));
  }
}
