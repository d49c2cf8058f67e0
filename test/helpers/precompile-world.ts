/**
 * A state with the three precompiles in it, and callers that speak viem: each call is one transaction's message, run
 * by the EVM host as a block would run it.
 */

import type { StateManagerInterface } from "@ethereumjs/common";
import { createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { Account, Address } from "@ethereumjs/util";
import {
  type Abi,
  decodeErrorResult,
  decodeEventLog,
  decodeFunctionResult,
  encodeFunctionData,
  type Hex,
  parseAbi,
} from "viem";
import { ATTRIBUTION_ADDRESS, DATANET_ADDRESS, MODELS_ADDRESS, PARAMETERS_ADDRESS } from "../../core/addresses.ts";
import { bigIntToFixed, bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { addressOf, keccak256 } from "../../core/crypto.ts";
import { PARAMETER_SLOTS, type Parameters } from "../../core/parameters.ts";
import { createHost, type Host } from "../../execution/evm/host.ts";
import { LayerStateManager } from "../../execution/state/ethereumjs-adapter.ts";
import { OverlayLayer } from "../../execution/state/layer.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";

export const CHAIN_ID = 161299;
export const ETHER = 10n ** 18n;

export const DEFAULT_PARAMETERS: Parameters = {
  minSpanBytes: 8n,
  platformFeeWei: 1_000n,
  treasuryPpm: 100_000n,
  modelPpm: 200_000n,
  stakersPpm: 200_000n,
  contributorsPpm: 500_000n,
  commitWindowSeconds: 60n,
  settleWindowSeconds: 30n,
  stakeMultiple: 2n,
  l1BaseFeeScalar: 0n,
  l1BlobBaseFeeScalar: 0n,
  availabilityBondWei: 500n,
};

export const TARGETS = {
  datanet: { address: DATANET_ADDRESS, abi: datanetAbi },
  models: { address: MODELS_ADDRESS, abi: modelsAbi },
  attribution: { address: ATTRIBUTION_ADDRESS, abi: attributionAbi },
} as const;
export type Target = keyof typeof TARGETS;

/** Everything any precompile may answer with, and Error(string) of the host. */
const ALL_ERRORS: Abi = [...datanetAbi, ...modelsAbi, ...attributionAbi, ...parseAbi(["error Error(string)"])];

export interface Actor {
  readonly key: Uint8Array;
  readonly address: Uint8Array;
  readonly hex: Hex;
}

export function actor(name: string): Actor {
  const key = keccak256(new TextEncoder().encode(name));
  const address = addressOf(key);
  return { key, address, hex: bytesToHex(address) };
}

export interface DecodedLog {
  readonly address: Hex;
  readonly name: string;
  readonly args: Record<string, unknown>;
}

export type Outcome =
  | {
      readonly ok: true;
      readonly output: Hex;
      readonly gasUsed: bigint;
      readonly refund: bigint;
      readonly logs: DecodedLog[];
    }
  | {
      readonly ok: false;
      readonly output: Hex;
      readonly gasUsed: bigint;
      /** The EVM's word: "revert", "out of gas", ... */
      readonly halt: string;
      /** Name and arguments of the custom error, when the revert data is one. */
      readonly error: string | undefined;
      readonly args: readonly unknown[];
    };

export interface CallOptions {
  readonly value?: bigint;
  readonly gas?: bigint;
  readonly isStatic?: boolean;
}

export function createCommon() {
  return createCustomCommon({ chainId: CHAIN_ID, name: "test" }, Mainnet, { hardfork: Hardfork.Prague });
}

export class World {
  readonly layer = new OverlayLayer();
  readonly state: StateManagerInterface;
  readonly host: Host;
  number = 1n;
  timestamp = 1_000n;

  constructor(state?: StateManagerInterface) {
    this.state = state ?? new LayerStateManager(this.layer);
    this.host = createHost({ common: createCommon(), stateManager: this.state, precompiles: PRECOMPILES });
  }

  static create(parameters: Partial<Parameters> = {}): Promise<World> {
    return World.prepare(new World(), parameters);
  }

  /** Puts precompiles and parameters into an empty state. */
  static async prepare<W extends World>(world: W, parameters: Partial<Parameters> = {}): Promise<W> {
    for (const { address } of Object.values(TARGETS)) await world.install(address, Uint8Array.of(0xfe));
    await world.install(PARAMETERS_ADDRESS, Uint8Array.of(0xfe));
    await world.setParameters({ ...DEFAULT_PARAMETERS, ...parameters });
    return world;
  }

  async install(address: Uint8Array, code: Uint8Array): Promise<void> {
    await this.state.putAccount(new Address(address), new Account(1n, 0n));
    await this.state.putCode(new Address(address), code);
  }

  async setParameters(parameters: Partial<Parameters>): Promise<void> {
    for (const [name, value] of Object.entries(parameters)) {
      const slot = bigIntToFixed(BigInt(PARAMETER_SLOTS.indexOf(name as keyof Parameters)), 32);
      await this.state.putStorage(new Address(PARAMETERS_ADDRESS), slot, bigIntToFixed(value as bigint, 32));
    }
  }

  async fund(account: Uint8Array, balance = 1_000_000n * ETHER): Promise<void> {
    await this.state.putAccount(new Address(account), new Account(0n, balance));
  }

  async balance(account: Uint8Array): Promise<bigint> {
    return (await this.state.getAccount(new Address(account)))?.balance ?? 0n;
  }

  /** Next block, `seconds` later. */
  advance(seconds = 1n): void {
    this.number += 1n;
    this.timestamp += seconds;
  }

  async raw(
    from: Uint8Array,
    to: Uint8Array | undefined,
    data: Uint8Array,
    options: CallOptions = {},
  ): Promise<Outcome> {
    this.state.originalStorageCache.clear();
    const gasLimit = options.gas ?? 30_000_000n;
    const { execResult } = await this.host.runCall({
      caller: new Address(from),
      ...(to === undefined ? {} : { to: new Address(to) }),
      data,
      value: options.value ?? 0n,
      gasLimit,
      isStatic: options.isStatic ?? false,
      block: {
        header: {
          number: this.number,
          timestamp: this.timestamp,
          coinbase: new Address(new Uint8Array(20)),
          difficulty: 0n,
          prevRandao: new Uint8Array(32),
          gasLimit: 30_000_000n,
          baseFeePerGas: 7n,
          slotNumber: 0n,
          getBlobGasPrice: () => 1n,
        },
      },
    });
    await this.host.journal.cleanup();
    const output = bytesToHex(execResult.returnValue);
    const gasUsed = execResult.executionGasUsed;
    if (execResult.exceptionError !== undefined) {
      const halt = execResult.exceptionError.error;
      return { ok: false, output, gasUsed, halt, ...decodeError(output) };
    }
    const logs = (execResult.logs ?? []).map(([address, topics, data]) => decodeLog(address, topics, data));
    return { ok: true, output, gasUsed, refund: execResult.gasRefund ?? 0n, logs };
  }

  /** A call as viem encodes it. */
  call(from: Actor, target: Target, name: string, args: readonly unknown[], options?: CallOptions): Promise<Outcome> {
    return this.raw(from.address, TARGETS[target].address, calldata(target, name, args), options);
  }

  /** As `call`; fails the test when it reverts. Answers what viem decodes. */
  async must(from: Actor, target: Target, name: string, args: readonly unknown[], options?: CallOptions) {
    const outcome = await this.call(from, target, name, args, options);
    if (!outcome.ok) {
      const detail = `${outcome.error ?? outcome.output} ${JSON.stringify(outcome.args, (_k, v) => `${v}`)}`;
      throw new Error(`${target}.${name}: ${outcome.halt} ${detail}`);
    }
    return { ...outcome, result: decodeResult(target, name, outcome.output) };
  }

  /** A view's decoded result. */
  async view<T>(target: Target, name: string, args: readonly unknown[]): Promise<T> {
    const outcome = await this.must(actor("anyone"), target, name, args, { isStatic: true });
    return outcome.result as T;
  }
}

export const calldata = (target: Target, name: string, args: readonly unknown[]): Uint8Array =>
  hexToBytes(encodeFunctionData({ abi: TARGETS[target].abi as Abi, functionName: name, args }));

export const decodeResult = (target: Target, name: string, output: Hex): unknown =>
  decodeFunctionResult({ abi: TARGETS[target].abi as Abi, functionName: name, data: output });

function decodeError(output: Hex): { error: string | undefined; args: readonly unknown[] } {
  if (output === "0x") return { error: undefined, args: [] };
  const { errorName, args } = decodeErrorResult({ abi: ALL_ERRORS, data: output });
  return { error: errorName, args: (args ?? []) as readonly unknown[] };
}

function decodeLog(address: Uint8Array, topics: Uint8Array[], data: Uint8Array): DecodedLog {
  const hex = bytesToHex(address);
  const target = Object.values(TARGETS).find((candidate) => bytesToHex(candidate.address) === hex);
  if (target === undefined) return { address: hex, name: "", args: {} };
  const { eventName, args } = decodeEventLog({
    abi: target.abi as Abi,
    topics: topics.map(bytesToHex) as [Hex, ...Hex[]],
    data: bytesToHex(data),
    strict: true,
  });
  return { address: hex, name: eventName as unknown as string, args: args as unknown as Record<string, unknown> };
}
