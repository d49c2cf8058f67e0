/**
 * Proposes outputs to L1's oracle: the last block of every epoch, one after the other, since each names who may certify
 * the next, and in between the newest safe block when the oracle's interval is over. It also asks the registry for a new
 * snapshot when the next validator set would be another.
 *
 * L1 itself says what is due, so that nothing is kept here: a proposal that somebody else made first reverts in the
 * estimate and costs nothing.
 */
import { decodeFunctionResult, encodeFunctionData, type Hex } from "viem";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import type { ValidatorSet } from "../../core/validators.ts";
import type { Chain } from "../chain.ts";
import { OperationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { ORACLE_ABI, REGISTRY_ABI } from "./abi.ts";
import type { L1Client } from "./client.ts";
import { L1RequestError } from "./endpoint.ts";
import { bytesOf } from "./json.ts";
import { proposalCall } from "./proposal.ts";
import type { SafeHead } from "./safe-head.ts";
import type { L1Sender, Request } from "./sender.ts";
import { postingDelayMs } from "./turns.ts";
import type { L1Watcher } from "./watcher.ts";

export interface ProposerParts {
  readonly chain: Chain;
  readonly client: L1Client;
  readonly watcher: Pick<L1Watcher, "status">;
  readonly safeHead: Pick<SafeHead, "safe">;
  readonly sender: L1Sender;
  readonly clock: Clock;
  readonly log: Logger;
  readonly oracle: Uint8Array;
  readonly registry: Uint8Array;
  readonly epochBlocks: bigint;
  /** Of the set of the head's epoch. */
  readonly validators: () => ValidatorSet;
  /** Own key, which says when it is this node's turn. */
  readonly publicKey: Uint8Array | undefined;
}

const OUTPUT_LABEL = "output";
const SNAPSHOT_LABEL = "snapshot";
/** After L1 refused something, and between looks at the registry. */
const PAUSE_MS = 15_000;

interface Due {
  readonly what: string;
  readonly sinceMs: number;
}

export class Proposer {
  readonly #parts: ProposerParts;
  #due: Due | undefined;
  #notBeforeMs = 0;
  #registryAtMs = 0;
  #problem: string | undefined;

  constructor(parts: ProposerParts) {
    this.#parts = parts;
  }

  /** Why L1 took the last proposal not. It is tried again. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Proposes what is due. Rejects when L1 cannot be reached. */
  async tick(): Promise<void> {
    const { sender, clock } = this.#parts;
    if (sender.label === OUTPUT_LABEL || sender.label === SNAPSHOT_LABEL) {
      if (!(await this.#settle())) return;
    } else if (sender.label !== undefined) return;
    if (clock.nowMs() < this.#notBeforeMs) return;
    const request = (await this.#output()) ?? (await this.#snapshot());
    if (request !== undefined) await this.#send(request);
  }

  async #settle(): Promise<boolean> {
    const settled = await this.#parts.sender.settle();
    if (settled === undefined) return false;
    const { label, outcome, l1Number } = settled;
    const { log } = this.#parts;
    if (outcome === "mined") log.info({ what: label, l1: Number(l1Number) }, "posted to L1");
    // Somebody else was first, most likely: what is due now is looked up again.
    else log.warn({ what: label, outcome }, "a transaction to L1 had no effect");
    return true;
  }

  async #output(): Promise<Request | undefined> {
    const { chain, safeHead, oracle, epochBlocks } = this.#parts;
    const { safe } = safeHead;
    const latest = await this.#read("latestBlockNumber");
    if (safe <= latest) return undefined;
    const next = latest + 1n;
    const endOfEpoch = next - (next % epochBlocks) + epochBlocks - 1n;
    const target = endOfEpoch <= safe ? endOfEpoch : safe;
    if (target !== endOfEpoch && target < (await this.#read("nextBlockNumber"))) return undefined;
    if (!this.#isDue(`output ${latest}`)) return undefined;
    const data = proposalCall(chain, target);
    return data && { label: OUTPUT_LABEL, to: oracle, data };
  }

  /** The registry's next set is another than its newest snapshot. */
  async #snapshot(): Promise<Request | undefined> {
    const { clock, registry, client, sender } = this.#parts;
    if (clock.nowMs() < this.#registryAtMs) return undefined;
    this.#registryAtMs = clock.nowMs() + PAUSE_MS;
    const call = async (functionName: "snapshot" | "latestNumber"): Promise<bigint> => {
      const data = encodeFunctionData({ abi: REGISTRY_ABI, functionName });
      const request = { from: sender.address, to: bytesToHex(registry), data };
      const result = await client.ask("eth_call", [request, "latest"], hexOf);
      return decodeFunctionResult({ abi: REGISTRY_ABI, functionName, data: result });
    };
    const number = await call("snapshot");
    if (number === (await call("latestNumber")) || !this.#isDue(`snapshot ${number}`)) return undefined;
    const data = hexToBytes(encodeFunctionData({ abi: REGISTRY_ABI, functionName: "snapshot" }));
    return { label: SNAPSHOT_LABEL, to: registry, data };
  }

  async #read(functionName: "latestBlockNumber" | "nextBlockNumber"): Promise<bigint> {
    const { client, oracle } = this.#parts;
    const data = encodeFunctionData({ abi: ORACLE_ABI, functionName });
    const result = await client.ask("eth_call", [{ to: bytesToHex(oracle), data }, "latest"], hexOf);
    return decodeFunctionResult({ abi: ORACLE_ABI, functionName, data: result });
  }

  /** Whether it is this node's turn, or it has been others' for too long. */
  #isDue(what: string): boolean {
    const { clock, watcher, validators, publicKey } = this.#parts;
    if (this.#due?.what !== what) this.#due = { what, sinceMs: clock.nowMs() };
    const l1Number = watcher.status.head?.number;
    if (l1Number === undefined) return false;
    return clock.nowMs() - this.#due.sinceMs >= postingDelayMs(validators(), publicKey, l1Number);
  }

  async #send(request: Request): Promise<void> {
    const { sender, clock, log } = this.#parts;
    try {
      await sender.send(request);
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof L1RequestError) && !(error instanceof OperationError)) throw error;
      this.#notBeforeMs = clock.nowMs() + PAUSE_MS;
      this.#problem = `${request.label}: ${error.message}`;
      log.warn({ what: request.label, problem: error.message }, "L1 does not take it for now");
    }
  }
}

const hexOf = (result: unknown): Hex => bytesToHex(bytesOf(result, "answer"));
