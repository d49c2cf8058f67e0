/**
 * Simulated blocks of a foreign chain, each by the rules of its own fork: as @ethereumjs/vm makes blocks, and where
 * nothing is said with the values that geth's eth_simulateV1 has.
 */
import { type Common, Hardfork } from "@ethereumjs/common";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, EMPTY_BYTES, hexToBytes, ZERO_32 } from "../../core/bytes.ts";
import type { ForeignParts, Receipt, Withdrawal } from "../../core/chain.ts";
import { rlpEncode } from "../../core/rlp.ts";
import type { ParentBlock } from "../block/execute.ts";
import { protocolFields } from "../block/header.ts";
import { orderedRoot } from "../block/ordered-root.ts";
import { writeBeaconRoot, writeParentHash } from "../block/system-writes.ts";
import type { ChainRules } from "../rules.ts";
import type { BlockForm, BlockForms, LateFields, OpenHeader } from "../simulate/forms.ts";
import type { PlacedInput } from "../simulate/sequence.ts";
import type { StateLayer } from "../state/types.ts";
import { messageEnvironment } from "../tx/environment.ts";
import type { Machine } from "../tx/machine.ts";
import { credit } from "../tx/message.ts";
import { SystemCallFailed, systemCall } from "../tx/system-call.ts";
import { hasCode } from "../tx/validate.ts";
import type { ForkPoint, Forks } from "./forks.ts";
import { fieldCountOf } from "./genesis.ts";
import { baseFeeAfter, blobTerms, excessBlobGasAfter } from "./header-rules.ts";

const WEI_A_GWEI = 10n ** 9n;
/** EIP-7002. */
export const WITHDRAWAL_REQUESTS = hexToBytes("0x00000961ef480eb55e80d19ad83579a64c007002");
/** EIP-7251. */
export const CONSOLIDATION_REQUESTS = hexToBytes("0x0000bbddc7ce488642fb579f8b00f3a590007251");
/** EIP-7685: what the calls of EIP-7002 and EIP-7251 answer, by the type of the request. */
const REQUEST_CONTRACTS = [
  [0x01, 7002, WITHDRAWAL_REQUESTS],
  [0x02, 7251, CONSOLIDATION_REQUESTS],
] as const;

/** Ethereum's slot. */
export const SLOT_SECONDS = 12n;

export class ForeignForms implements BlockForms {
  readonly blockSeconds = SLOT_SECONDS;
  readonly #forks: Forks;
  readonly #rulesOf: (point: ForkPoint) => ChainRules;

  constructor(forks: Forks, rulesOf: (point: ForkPoint) => ChainRules) {
    this.#forks = forks;
    this.#rulesOf = rulesOf;
  }

  next(parent: ParentBlock, input: PlacedInput, isValidating: boolean): BlockForm | string {
    const difficulty = input.block?.difficulty ?? this.#forks.difficultyAfter(parent.header, input.timestamp);
    const point = { number: input.number, timestamp: input.timestamp, difficulty };
    const fork = this.#forks.forkOf(point);
    const rules = this.#rulesOf(point);
    if (rules.messages?.refusal !== undefined) return rules.messages.refusal;
    return new ForeignForm(this.#forks, fork, rules, parent, { ...input, difficulty }, isValidating);
  }
}

class ForeignForm implements BlockForm {
  readonly rules: ChainRules;
  readonly header: OpenHeader;
  readonly foreign: ForeignParts;
  readonly #common: Common;
  readonly #depositContract: string;
  #requests: readonly Uint8Array[] = [];

  constructor(
    forks: Forks,
    fork: string,
    rules: ChainRules,
    { header: before, hash }: ParentBlock,
    input: PlacedInput & { readonly difficulty: bigint },
    isValidating: boolean,
  ) {
    const common = forks.common(fork);
    const { messages } = rules;
    this.rules = rules;
    this.#common = common;
    this.#depositContract = forks.depositContract;
    const fieldCount = fieldCountOf(forks, fork);
    const excessBlobGas = messages?.hasBlobFee ? excessBlobGasAfter(before, common) : 0n;
    const terms = blobTerms({ excessBlobGas }, common);
    const { requestsHash: _, blobGasUsed: __, ...fixed } = protocolFields;
    this.header = {
      ...fixed,
      extraData: EMPTY_BYTES,
      prevRandao: ZERO_32,
      coinbase: before.coinbase,
      gasLimit: before.gasLimit,
      blobBaseFee: terms.blobBaseFee,
      ...input.block,
      // Calls are free in a block that is not validated, so that nobody has to be given wei first.
      baseFeePerGas: messages?.hasBaseFee
        ? (input.block?.baseFeePerGas ?? (isValidating ? baseFeeAfter(before) : 0n))
        : 0n,
      difficulty: input.difficulty,
      excessBlobGas,
      parentBeaconBlockRoot: (common.isActivatedEIP(4788) ? input.beaconRoot : undefined) ?? ZERO_32,
      parentHash: hash,
      number: input.number,
      timestamp: input.timestamp,
      ...(fieldCount !== 21 && fieldCount !== undefined && { fieldCount }),
    };
    const withdrawals = common.isActivatedEIP(4895) ? (input.withdrawals ?? []) : [];
    this.foreign = { uncles: [], withdrawals, ...terms };
  }

  begin(layer: StateLayer): void {
    if (this.#common.isActivatedEIP(2935)) writeParentHash(layer, this.header);
    if (this.#common.isActivatedEIP(4788)) writeBeaconRoot(layer, this.header);
  }

  async end(machine: Machine, receipts: readonly Receipt[]): Promise<string | undefined> {
    const common = this.#common;
    const { layer } = machine.stateManager;
    if (common.isActivatedEIP(7685)) {
      const deposits = this.#deposits(receipts);
      if (deposits.some((data) => data.length !== DEPOSIT_BYTES)) {
        return `the deposit contract logged a deposit that has not ${DEPOSIT_BYTES} bytes`;
      }
      const requests = [concatBytes(Uint8Array.of(0x00), ...deposits.map(depositRequest))];
      try {
        requests.push(...(await this.#askContracts(machine)));
      } catch (error) {
        // Their code is what the caller pretends it to be.
        if (error instanceof SystemCallFailed) return error.message;
        throw error;
      }
      this.#requests = requests.filter((request) => request.length > 1);
    }
    for (const { address, amountGwei } of this.foreign.withdrawals) credit(layer, address, amountGwei * WEI_A_GWEI);
    if (this.header.difficulty > 0n && common.consensusType() === "pow") {
      credit(layer, this.header.coinbase, minerReward(common));
    }
    return undefined;
  }

  /** Rejects with SystemCallFailed. */
  async #askContracts(machine: Machine): Promise<Uint8Array[]> {
    const { layer } = machine.stateManager;
    const environment = messageEnvironment(this.header, this.rules);
    const requests: Uint8Array[] = [];
    for (const [type, eip, contract] of REQUEST_CONTRACTS) {
      const account = layer.account(contract);
      if (!this.#common.isActivatedEIP(eip) || account === undefined || !hasCode(account)) continue;
      const answer = await systemCall(machine, contract, EMPTY_BYTES, environment);
      requests.push(concatBytes(Uint8Array.of(type), answer));
    }
    return requests;
  }

  /** EIP-6110: the data of the events. */
  #deposits(receipts: readonly Receipt[]): Uint8Array[] {
    const contract = this.#depositContract;
    return receipts.flatMap(({ logs }) =>
      logs
        .filter(({ address, topics }) => bytesToHex(address) === contract && isDeposit(topics[0]))
        .map(({ data }) => data),
    );
  }

  lateFields(): LateFields {
    const { withdrawals } = this.foreign;
    const has = (eip: number) => this.#common.isActivatedEIP(eip);
    return {
      withdrawalsRoot: has(4895) ? orderedRoot(withdrawals.map(encodeWithdrawal)) : ZERO_32,
      requestsHash: has(7685) ? sha256(concatBytes(...this.#requests.map((request) => sha256(request)))) : ZERO_32,
    };
  }
}

/** EIP-649, EIP-1234. */
function minerReward(common: Common): bigint {
  const ether = common.gteHardfork(Hardfork.Constantinople) ? 2n : common.gteHardfork(Hardfork.Byzantium) ? 3n : 5n;
  return ether * 10n ** 18n;
}

const encodeWithdrawal = ({ index, validatorIndex, address, amountGwei }: Withdrawal): Uint8Array =>
  rlpEncode([index, validatorIndex, address, amountGwei]);

/** keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)"). */
export const DEPOSIT_TOPIC = "0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5";
const isDeposit = (topic: Uint8Array | undefined): boolean =>
  topic !== undefined && bytesToHex(topic) === DEPOSIT_TOPIC;

/** Of the event's data. */
const DEPOSIT_BYTES = 576;
/** Of the event's data, ABI-encoded: public key, withdrawal credentials, amount, signature, index. */
const depositRequest = (data: Uint8Array): Uint8Array =>
  concatBytes(
    data.subarray(192, 240),
    data.subarray(288, 320),
    data.subarray(352, 360),
    data.subarray(416, 512),
    data.subarray(544, 552),
  );
